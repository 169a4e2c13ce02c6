/* The terminal that a command prints to: how large it is, and whether it takes more than text. */
#ifndef DOORBELL_BASE_TERMINAL_H
#define DOORBELL_BASE_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Sentences stay readable between these. */
enum { TERMINAL_LEAST = 40, TERMINAL_MOST = 100 };

/* Columns; 0: `to` is no terminal, or one that does not say. */
int terminal_width(FILE *to);
/* Lines; 0 likewise. */
int terminal_height(FILE *to);
/* For text_wrap: its width within the bounds, the upper one where it is not known. */
int terminal_columns(FILE *to);
/* Likewise, of a width. Pure. */
int terminal_columns_of(int width);
/* Its kind is said to understand no escape sequences. */
bool terminal_is_dumb(void);

#endif
