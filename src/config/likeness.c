#include "config/likeness.h"

#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "config/schema.h"

/* Half of what BLAKE2b gives at most is enough, and all settings fit into one request. */
enum {
    KEY_SIZE = crypto_generichash_KEYBYTES,
    DIGEST_SIZE = 16,
    PLACE_SIZE = 256, /* of it, in a sentence */
};

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
    return json_pack("{s:s, s:o}", "key", text, "digests", digests);
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
static json_t *describe(const struct config *config, const struct setting *setting)
{
    char text[PLACE_SIZE];
    const char *place = config->places[setting - schema];
    text_printable(text, sizeof text, place ? place : "", place ? strlen(place) : 0);
    return json_pack("{s:s, s:o, s:b}", "setting", setting->path, "place",
                     place ? json_string(text) : json_null(), "fixed", setting->fixed);
}

json_t *likeness_answer(const struct config *config, const json_t *question)
{
    struct likeness_key key;
    const json_t *digests = json_object_get(question, "digests");
    if (!json_is_object(digests) || !read_key(&key, question))
        return NULL;
    json_t *differ = json_array();
    for (size_t i = 0; i < schema_count; i++) {
        char own[2 * DIGEST_SIZE + 1];
        const char *told = json_string_value(json_object_get(digests, schema[i].path));
        digest(own, config, &schema[i], &key);
        if (told && strcmp(told, own) != 0)
            json_array_append_new(differ, describe(config, &schema[i]));
    }
    return differ;
}
