/* Whether two processes have the same settings, without either telling the other what they are: the
 * one that asks hashes each of its own with a key that it makes for this one question, the other
 * one hashes likewise and names those that differ. So nobody can find out a secret by guessing but
 * who may ask the server again and again, and that is who may read its files. */
#ifndef DOORBELL_CONFIG_LIKENESS_H
#define DOORBELL_CONFIG_LIKENESS_H

#include <jansson.h>

#include "config/config.h"

/* {"key", "digests": {"push.timeout": hash, ...}}; the caller owns it. */
json_t *likeness_ask(const struct config *config);

/* [{"setting", "place" (null: its default), "fixed"}] of those that `config` has otherwise; those
 * that only one of the two knows are left out. NULL: the question makes no sense. */
json_t *likeness_answer(const struct config *config, const json_t *question);

#endif
