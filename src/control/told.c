#include "control/told.h"

#include <string.h>

const char *told_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t told_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool told_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool told_is(const json_t *object, const char *key, const char *text)
{
    return strcmp(told_text(object, key), text) == 0;
}
