/* Reads what the running server told (control/commands.h). It may be of another version, so
 * whatever is missing, or of another kind, is empty. */
#ifndef DOORBELL_CONTROL_TOLD_H
#define DOORBELL_CONTROL_TOLD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* `object` may be NULL. */
const char *told_text(const json_t *object, const char *key);
int64_t told_number(const json_t *object, const char *key);
bool told_true(const json_t *object, const char *key);
bool told_is(const json_t *object, const char *key, const char *text);

#endif
