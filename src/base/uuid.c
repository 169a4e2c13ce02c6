#include "base/uuid.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(uint8_t uuid[16], const char *text)
{
    if (strlen(text) != UUID_TEXT_SIZE - 1)
        return ERR_INVALID;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (*text++ != '-')
                return ERR_INVALID;
        int high = digit(text[0]), low = digit(text[1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        uuid[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return 0;
}

void uuid_format(char text[UUID_TEXT_SIZE], const uint8_t uuid[16])
{
    const uint8_t *u = uuid;
    snprintf(text, UUID_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
}
