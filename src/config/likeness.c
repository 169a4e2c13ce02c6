#include "config/likeness.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/schema.h"

/* Half of what BLAKE2b gives at most is enough, and all settings fit into one request. */
enum {
    KEY_SIZE = crypto_generichash_KEYBYTES,
    DIGEST_SIZE = 16,
    PLACE_SIZE = 256,            /* of it, in a sentence */
    FILE_MOST = 4 * 1024 * 1024, /* a bundle of roots has a quarter of a million */
};

/* A reload reads them again; what is in other files is compared elsewhere, or read at the start
 * alone. */
static const char *const file_settings[LIKENESS_FILES] = {"push.ca_file", "push.headers_file"};

struct likeness_key {
    unsigned char bytes[KEY_SIZE];
};

static void add_text(crypto_generichash_state *state, const char *text)
{
    if (text)
        crypto_generichash_update(state, (const unsigned char *)text, strlen(text));
    crypto_generichash_update(state, (const unsigned char *)"", 1); /* where it ends */
}

static void add_number(crypto_generichash_state *state, int64_t number)
{
    crypto_generichash_update(state, (const unsigned char *)&number, sizeof number);
}

static void add_list(crypto_generichash_state *state, const struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        add_text(state, list->items[i]);
}

static void add_value(crypto_generichash_state *state, const struct config *config,
                      const struct setting *setting)
{
    const void *field = (const char *)config + setting->offset;
    switch (setting->type) {
    case SETTING_TEXT:
        add_text(state, *(char *const *)field);
        break;
    case SETTING_BOOL:
        add_number(state, *(const bool *)field);
        break;
    case SETTING_NUMBER:
    case SETTING_DURATION:
        add_number(state, *(const int64_t *)field);
        break;
    case SETTING_CHOICE:
        add_number(state, *(const int *)field);
        break;
    case SETTING_LIST:
        add_list(state, field);
        break;
    }
}

/* The name is hashed, too: equal values of two settings look different. */
static void digest(char text[2 * DIGEST_SIZE + 1], const struct config *config,
                   const struct setting *setting, const struct likeness_key *key)
{
    crypto_generichash_state state;
    unsigned char bytes[DIGEST_SIZE];
    crypto_generichash_init(&state, key->bytes, sizeof key->bytes, sizeof bytes);
    add_text(&state, setting->path);
    add_value(&state, config, setting);
    crypto_generichash_final(&state, bytes, sizeof bytes);
    sodium_bin2hex(text, 2 * DIGEST_SIZE + 1, bytes, sizeof bytes);
    sodium_memzero(&state, sizeof state);
}

/* Files */

static bool read_file(unsigned char digest_of_it[LIKENESS_FILE_SIZE], const char *path)
{
    bool is_open;
    char *bytes = mem_new(FILE_MOST);
    long length = file_read(path, bytes, FILE_MOST, &is_open);
    bool whole = length >= 0 && length < FILE_MOST;
    if (whole)
        crypto_generichash(digest_of_it, LIKENESS_FILE_SIZE, (const unsigned char *)bytes,
                           (unsigned long long)length, NULL, 0);
    if (length > 0)
        sodium_memzero(bytes, (size_t)length); /* there may be tokens in it */
    free(bytes);
    return whole;
}

void likeness_read_files(struct likeness_files *files, const struct config *config)
{
    *files = (struct likeness_files){0};
    for (size_t i = 0; i < LIKENESS_FILES; i++) {
        const struct setting *setting = schema_find(file_settings[i]);
        const char *path = *(char *const *)((const char *)config + setting->offset);
        files->known[i] = path && read_file(files->digests[i], path);
    }
}

static void digest_file(char text[2 * DIGEST_SIZE + 1], const struct likeness_files *files,
                        size_t index, const struct likeness_key *key)
{
    unsigned char bytes[DIGEST_SIZE];
    crypto_generichash(bytes, sizeof bytes, files->digests[index], LIKENESS_FILE_SIZE, key->bytes,
                       sizeof key->bytes);
    sodium_bin2hex(text, 2 * DIGEST_SIZE + 1, bytes, sizeof bytes);
}

static json_t *ask_of_files(const struct config *config, const struct likeness_key *key)
{
    struct likeness_files files;
    char text[2 * DIGEST_SIZE + 1];
    json_t *told = json_object();
    likeness_read_files(&files, config);
    for (size_t i = 0; i < LIKENESS_FILES; i++) {
        if (!files.known[i])
            continue;
        digest_file(text, &files, i, key);
        json_object_set_new(told, file_settings[i], json_string(text));
    }
    return told;
}

static bool is_other_content(const struct likeness_files *files, const struct setting *setting,
                             const json_t *told, const struct likeness_key *key)
{
    char own[2 * DIGEST_SIZE + 1];
    const char *digest_there = json_string_value(json_object_get(told, setting->path));
    size_t i = 0;
    while (i < LIKENESS_FILES && strcmp(file_settings[i], setting->path) != 0)
        i++;
    if (!digest_there || i == LIKENESS_FILES || !files->known[i])
        return false;
    digest_file(own, files, i, key);
    return strcmp(own, digest_there) != 0;
}

/* Question and answer */

json_t *likeness_ask(const struct config *config)
{
    struct likeness_key key;
    char text[2 * KEY_SIZE + 1];
    json_t *digests = json_object();
    randombytes_buf(key.bytes, sizeof key.bytes);
    for (size_t i = 0; i < schema_count; i++) {
        digest(text, config, &schema[i], &key);
        json_object_set_new(digests, schema[i].path, json_string(text));
    }
    sodium_bin2hex(text, sizeof text, key.bytes, sizeof key.bytes);
    return json_pack("{s:s, s:o, s:o}", "key", text, "digests", digests, "files",
                     ask_of_files(config, &key));
}

static bool read_key(struct likeness_key *key, const json_t *question)
{
    const char *text = json_string_value(json_object_get(question, "key"));
    size_t length = 0;
    return text &&
           sodium_hex2bin(key->bytes, sizeof key->bytes, text, strlen(text), NULL, &length, NULL) ==
               0 &&
           length == sizeof key->bytes;
}

/* Printable, because a path in a place need not be UTF-8 and JSON is. */
static json_t *describe(const struct config *config, const struct setting *setting, bool content)
{
    char text[PLACE_SIZE];
    const char *place = config->places[setting - schema];
    text_printable(text, sizeof text, place ? place : "", place ? strlen(place) : 0);
    return json_pack("{s:s, s:o, s:b, s:b}", "setting", setting->path, "place",
                     place ? json_string(text) : json_null(), "fixed", setting->fixed, "content",
                     content);
}

json_t *likeness_answer(const struct config *config, const struct likeness_files *files,
                        const json_t *question)
{
    struct likeness_key key;
    const json_t *contents = json_object_get(question, "files");
    const json_t *digests = json_object_get(question, "digests");
    if (!json_is_object(digests) || !read_key(&key, question))
        return NULL;
    json_t *differ = json_array();
    for (size_t i = 0; i < schema_count; i++) {
        char own[2 * DIGEST_SIZE + 1];
        const char *told = json_string_value(json_object_get(digests, schema[i].path));
        digest(own, config, &schema[i], &key);
        if (told && strcmp(told, own) != 0)
            json_array_append_new(differ, describe(config, &schema[i], false));
        else if (is_other_content(files, &schema[i], contents, &key))
            json_array_append_new(differ, describe(config, &schema[i], true));
    }
    return differ;
}
