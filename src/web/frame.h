/* The frame of every page: head, colours for light and dark, footer, and a policy that allows
 * exactly this style and, where a page has one, its script. A page is begun, added to and ended;
 * nothing of it is loaded from elsewhere. Pure. */
#ifndef DOORBELL_WEB_FRAME_H
#define DOORBELL_WEB_FRAME_H

#include "base/buf.h"
#include "web/request.h"

/* `title` and `lead` are HTML of ours. */
void frame_begin(struct buf *page, const char *title, const char *lead);
void frame_add(struct buf *page, const char *html);
void frame_add_escaped(struct buf *page, const char *text);
/* Ends the page and makes it the answer, with status 200. `foot` is HTML for the footer, `script`
 * runs at the end of the page; NULL: none. */
void frame_end(struct response *response, struct buf *page, const char *foot, const char *script);

/* A whole page that says what went wrong; `what` and `text`, a paragraph, are HTML of ours. */
void frame_error(struct response *response, int status, const char *what, const char *text);

#endif
