#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/toml_internal.h"

/* What a name has been used for; bits, so that a rule can name several. */
enum kind {
    KIND_VALUE = 1,
    KIND_IMPLIED = 2, /* a table, because a header goes through it; it may still be opened once */
    KIND_TABLE = 4,   /* [a] */
    KIND_DOTTED = 8,  /* a in a.b = 1: may only grow by more such keys or by headers below it */
    KIND_ARRAY = 16,  /* [[a]] */
};

static const struct rule {
    unsigned may_meet;
    enum kind makes;
} rules[] = {
    [TOML_STEP_INTO] = {KIND_IMPLIED | KIND_TABLE | KIND_DOTTED | KIND_ARRAY, KIND_IMPLIED},
    [TOML_STEP_TABLE] = {KIND_IMPLIED, KIND_TABLE},
    [TOML_STEP_ARRAY] = {KIND_ARRAY, KIND_ARRAY},
    [TOML_STEP_DOTTED] = {KIND_IMPLIED | KIND_DOTTED, KIND_DOTTED},
    [TOML_STEP_VALUE] = {0, KIND_VALUE},
};

struct name {
    struct map_node node;
    size_t parent; /* the scope that it is in */
    size_t scope;  /* the one below it; each element of an array of tables has a new one */
    enum kind kind;
    unsigned line;
    size_t length;
    char text[];
};

struct key {
    size_t parent;
    const char *text;
    size_t length;
};

static bool is_name(const struct map_node *node, const void *arg)
{
    const struct name *name = map_owner(node, struct name, node);
    const struct key *key = arg;
    return name->parent == key->parent && name->length == key->length &&
           memcmp(name->text, key->text, key->length) == 0;
}

/* The same name in many scopes must not land in one slot: an odd factor keeps low bits apart. */
static uint64_t hash_of(const struct toml_names *names, const struct key *key)
{
    return map_hash(&names->map, key->text, key->length) ^
           (uint64_t)key->parent * 0x9e3779b97f4a7c15u;
}

void toml_names_init(struct toml_names *names)
{
    names->scopes = 0;
    map_init(&names->map);
}

static void free_name(void *arg, struct map_node *node)
{
    (void)arg;
    free(map_owner(node, struct name, node));
}

void toml_names_fini(struct toml_names *names)
{
    map_each(&names->map, free_name, NULL);
    map_fini(&names->map);
}

size_t toml_names_new_scope(struct toml_names *names)
{
    return ++names->scopes;
}

static struct name *add(struct toml_names *names, const struct key *key, unsigned line)
{
    struct name *name = mem_new(sizeof *name + key->length);
    name->parent = key->parent;
    name->scope = toml_names_new_scope(names);
    name->line = line;
    name->length = key->length;
    memcpy(name->text, key->text, key->length);
    map_add(&names->map, &name->node, hash_of(names, key));
    return name;
}

static struct name *find(const struct toml_names *names, const struct key *key)
{
    struct map_node *node = map_find(&names->map, hash_of(names, key), is_name, key);
    return node ? map_owner(node, struct name, node) : NULL;
}

static bool is_bare(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && toml_is_name_character(text[i]))
        i++;
    return length > 0 && i == length;
}

static void add_to_path(struct toml_place *place, const char *text, size_t length)
{
    char part[CONFIG_PATH_SIZE], whole[2 * CONFIG_PATH_SIZE + 4];
    text_printable(part, sizeof part, text, length);
    const char *dot = *place->path ? "." : "", *quote = is_bare(text, length) ? "" : "\"";
    snprintf(whole, sizeof whole, "%s%s%s%s%s", place->path, dot, quote, part, quote);
    text_printable(place->path, sizeof place->path, whole, strlen(whole));
}

static int fail_second_use(struct toml_reader *reader, const char *path, const struct name *name,
                           enum toml_step step)
{
    unsigned line = reader->line;
    if (step == TOML_STEP_VALUE && name->kind == KIND_VALUE)
        return toml_fail(reader, line,
                         "key \"%s\" appears a second time, first in line %u; make them one", path,
                         name->line);
    if (step == TOML_STEP_VALUE || name->kind == KIND_VALUE)
        return toml_fail(reader, line,
                         "\"%s\" is the name of a value and of a table, first in line %u; rename "
                         "one of them",
                         path, name->line);
    if (step == TOML_STEP_DOTTED)
        return toml_fail(reader, line,
                         "table \"%s\" has its own header in line %u; put this key below that",
                         path, name->line);
    if (step == TOML_STEP_ARRAY || name->kind == KIND_ARRAY)
        return toml_fail(reader, line,
                         "\"%s\" is written as one table and as an array of tables, first in line "
                         "%u; write all its headers in the same brackets",
                         path, name->line);
    return toml_fail(reader, line,
                     "table \"%s\" appears a second time, first in line %u; make them one", path,
                     name->line);
}

int toml_names_step(struct toml_names *names, struct toml_reader *reader, struct toml_place *place,
                    enum toml_step step)
{
    struct key key = {place->scope, reader->text, reader->length};
    add_to_path(place, key.text, key.length);
    struct name *name = find(names, &key);
    if (name && !(rules[step].may_meet & name->kind))
        return fail_second_use(reader, place->path, name, step);
    if (!name && names->map.count == TOML_NAMES_MAX)
        return toml_fail(reader, reader->line, "it has more than %d names; is it the right file?",
                         TOML_NAMES_MAX);
    if (name && step == TOML_STEP_ARRAY)
        name->scope = toml_names_new_scope(names);
    if (name && step == TOML_STEP_TABLE)
        name->line = reader->line;
    bool is_passed = name && step == TOML_STEP_INTO;
    if (!name)
        name = add(names, &key, reader->line);
    if (!is_passed)
        name->kind = rules[step].makes;
    place->scope = name->scope;
    return 0;
}
