#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int terminal_width(FILE *to)
{
    struct winsize size;
    return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

int terminal_height(FILE *to)
{
    struct winsize size;
    return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

int terminal_columns_of(int width)
{
    if (!width || width > TERMINAL_MOST)
        return TERMINAL_MOST;
    return width < TERMINAL_LEAST ? TERMINAL_LEAST : width;
}

int terminal_columns(FILE *to)
{
    return terminal_columns_of(terminal_width(to));
}

bool terminal_is_dumb(void)
{
    const char *kind = getenv("TERM");
    return kind && strcmp(kind, "dumb") == 0;
}
