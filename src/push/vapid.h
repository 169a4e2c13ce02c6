/* VAPID (RFC 8292): one P-256 key per bridge, signed tokens per origin. The private key file holds
 * the 32-byte scalar in base64url, one line (signal.md 7.8). The scalar lives in sodium memory. */
#ifndef DOORBELL_PUSH_VAPID_H
#define DOORBELL_PUSH_VAPID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/b64.h"
#include "base/err.h"
#include "config/config.h"

enum {
    VAPID_PUBLIC_TEXT_SIZE = B64_TEXT_SIZE(65),
    VAPID_PRIVATE_TEXT_SIZE = B64_TEXT_SIZE(32),
    VAPID_HEADER_SIZE = 1024,
};

struct vapid;

/* A new key. */
struct vapid *vapid_generate(struct err *err);
/* Accepts base64url or base64, padded or not, 31-byte keys (left-padded; a known fault of
 * MollySocket's generator), white space around. Errors never repeat the key. */
struct vapid *vapid_from_text(const char *text, struct err *err);
/* ERR_NOT_FOUND where it is missing. */
struct vapid *vapid_from_file(const char *path, struct err *err);
/* Writes the key with mode 0600, durably, without ever replacing a file that is there: ERR_BUSY,
 * without a sentence. */
int vapid_write_new(const struct vapid *vapid, const char *path, struct err *err);
/* The folder of a key that is to be made there, if its parent is there. False with errno set. */
bool vapid_make_folder(const char *path);
/* What push.vapid_key_file or push.vapid_key say; errors name the setting. */
struct vapid *vapid_from_config(const struct config *config, struct err *err);
void vapid_free(struct vapid *vapid);

/* base64url of the 65-byte uncompressed public point: 87 characters. */
const char *vapid_public_text(const struct vapid *vapid);
/* 43 characters; the caller wipes them. */
void vapid_private_text(const struct vapid *vapid, char text[VAPID_PRIVATE_TEXT_SIZE]);

/* "vapid t=<jwt>,k=<key>" for this origin, signed at most once an hour per origin (a bounded cache;
 * valid for 12 h). `subject` is the sub claim. It lasts until the next call of these two. NULL with
 * an error: ERR_NOT_FOUND where `vapid` is NULL. */
const char *vapid_header(struct vapid *vapid, const char *origin, const char *subject,
                         int64_t now_unix, struct err *err);
/* The next vapid_header for this origin signs anew (a 401 was the answer). */
void vapid_forget(struct vapid *vapid, const char *origin);

#endif
