/* What is wrong with the address by which a page was asked for, and the lines that mend it: of the
 * proxy in front, of doorbell.yaml, of a container's environment. Parts of the pages (pages.h).
 * Pure. */
#ifndef DOORBELL_WEB_REMEDIES_H
#define DOORBELL_WEB_REMEDIES_H

#include "base/buf.h"

struct page;

/* For an address that is not URL_GOOD. */
void remedies_add_fault(struct buf *page, const struct page *about);
/* Hidden, for remedies_script to show and to complete: only a browser knows its own address. */
void remedies_add_mismatch(struct buf *page, const struct page *about);
/* One line for who has no JavaScript, below the code: where it leads, and what to do if not there.
 */
void remedies_add_address(struct buf *page, const struct page *about);
/* Nothing where proxies say whose requests they hand on. */
void remedies_add_client(struct buf *page, const struct page *about);
/* For a request to `path` that nothing is answered to: each proxy's lines that take it away, where
 * it may be one below which Doorbell is meant to be served. Our own address is in them only where
 * the address outside has a fault. */
void remedies_add_path(struct buf *page, const struct page *about, const char *path);

/* Says so when the address that the browser shows is not the one in the link, and completes the
 * lines that mend it. */
extern const char remedies_script[];

#endif
