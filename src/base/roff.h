/* Writes manual pages in the man(7) language, which groff and mandoc read: every text given to it
 * is shown as it is, whatever it begins with and whatever is in it. Only `words in backquotes`
 * become bold. */
#ifndef DOORBELL_BASE_ROFF_H
#define DOORBELL_BASE_ROFF_H

#include "base/buf.h"

void roff_begin(struct buf *page, const char *name, const char *section, const char *volume);
void roff_heading(struct buf *page, const char *text);
void roff_subheading(struct buf *page, const char *text);
void roff_paragraph(struct buf *page, const char *text);
/* An entry of a list of definitions: a bold label, and what follows it as plain text. */
void roff_entry(struct buf *page, const char *label, const char *text);
/* Another paragraph of that entry. */
void roff_more(struct buf *page, const char *text);
void roff_indent(struct buf *page); /* what follows belongs to the entry, as a list within it */
void roff_outdent(struct buf *page);
/* Lines as they are. */
void roff_example(struct buf *page, const char *lines);

#endif
