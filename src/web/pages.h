/* The page that links Molly: what is what, the QR code, the link as text, and, where Doorbell is
 * served in a way that Molly cannot use, what is wrong and the lines that mend it. Works without
 * JavaScript; a few lines of it compare the link with the browser's address. Pure. */
#ifndef DOORBELL_WEB_PAGES_H
#define DOORBELL_WEB_PAGES_H

#include "web/public_url.h"
#include "web/request.h"

struct page {
    const char *vapid;    /* the public key, as vapid_public_text has it */
    const char *upstream; /* where a proxy reaches us: "127.0.0.1:8020" */
    const struct public_url *address;
};

void page_link(struct response *response, const struct page *page);
void page_airgapped(struct response *response, const struct page *page);
/* 404 for `path`, as it came, to whoever may be setting this up: with each proxy's lines. */
void page_wrong_path(struct response *response, const struct page *page, const char *path);
/* 404 to everybody else: a page with the way back for people, and short for programs, among them
 * most scanners. */
void page_not_found(struct response *response, const char *path, bool for_people);

#endif
