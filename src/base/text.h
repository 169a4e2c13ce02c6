/* Text from outside, made harmless where it enters: printable ASCII of bounded length. */
#ifndef DOORBELL_BASE_TEXT_H
#define DOORBELL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Copies at most size - 1 bytes of `from` into `to` and ends them with a zero; what is not
 * printable ASCII becomes '?'. Text that did not fit ends in "...". Returns the length written. */
size_t text_printable(char *to, size_t size, const void *from, size_t length);

/* The same for a stranger's sentence that people will read: a word in it that might be an
 * identifier (an account, a topic, a token: anything long, or with digits, capitals inside, "/" or
 * "@") becomes "...". */
size_t text_words(char *to, size_t size, const void *from, size_t length);

bool text_is_ascii(const char *text, size_t length);
/* Whether all bytes are printable ASCII without spaces (0x21 to 0x7e). */
bool text_is_token(const char *text, size_t length);

/* Writes `text` behind what ends at `to`, up to `end`, behind which there is no room: what does not
 * fit is cut off, and a NUL is there always. Returns where the next text goes. For what is written
 * for each ring, where snprintf takes ten times as long. */
char *text_add(char *to, const char *end, const char *text);

/* NULL is like nothing but NULL. */
bool text_same(const char *a, const char *b);
bool text_starts(const char *text, const char *prefix);
bool text_starts_nocase(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);

/* Edit distance, for "did you mean": used by configuration and commands. Texts up to 63 bytes. */
unsigned text_distance(const char *a, const char *b);

/* Prints whole words up to `width`, the first from `column` on, where the terminal is, and further
 * lines from `indent` on; then ends the line. */
void text_wrap(FILE *to, const char *text, int column, int indent, int width);
/* Likewise, but the last line stays open. */
void text_wrap_open(FILE *to, const char *text, int column, int indent, int width);

/* How long, for people: "40 s", "12 min", "3 h", "5 days". */
enum { TEXT_AMOUNT_SIZE = 32 };
void text_amount(char text[TEXT_AMOUNT_SIZE], int64_t seconds);

/* `from` escaped for HTML text and attribute values; the caller frees it. */
char *text_html(const char *from);

#endif
