/* Which VAPID key Doorbell has made by itself, because none was there. Its store remembers that:
 * who came from MollySocket and forgot its key is told so when accounts are taken over, however
 * many starts lie between. A key that somebody puts in its place later is another one. */
#ifndef DOORBELL_PUSH_OWN_KEY_H
#define DOORBELL_PUSH_OWN_KEY_H

#include <stdbool.h>

#include "push/vapid.h"
#include "store/store.h"

enum { OWN_KEY_TEXT_SIZE = 512 };

/* Both before the first change of the store only. */
int own_key_note(struct store *store, const struct vapid *vapid, struct err *err);
bool own_key_is(struct store *store, const struct vapid *vapid);

/* What to say then, of the file that it is in. */
void own_key_tell(const char *path, char text[OWN_KEY_TEXT_SIZE]);

#endif
