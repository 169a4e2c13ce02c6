/* A UUID as its 16 bytes: the spelling does not make two. */
#ifndef DOORBELL_BASE_UUID_H
#define DOORBELL_BASE_UUID_H

#include <stdint.h>

enum { UUID_TEXT_SIZE = 37 };

/* Takes 8-4-4-4-12 hexadecimal digits in either case and nothing else; ERR_INVALID otherwise. */
int uuid_parse(uint8_t uuid[16], const char *text);
void uuid_format(char text[UUID_TEXT_SIZE], const uint8_t uuid[16]);

#endif
