#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "config/internal.h"

enum { CHUNK_SIZE = 4096 };

static int fail_file(const char *path, struct err *err)
{
    if (errno == EISDIR)
        return err_set(err, ERR_IO,
                       "%s: it is a folder; container engines make one where the file to mount is "
                       "missing",
                       path);
    if (errno == EACCES && file_is_fenced_off(path))
        return err_set(err, ERR_NOT_NOW,
                       "%s: this server has walled itself in without the folder of this file, "
                       "which was not there when it started; restart it (docs/sandbox.md)",
                       path);
    return err_set(err, ERR_IO, "%s: it cannot be read (%s)", path, strerror(errno));
}

/* Stops soon after CONFIG_FILE_MAX, so that whoever reads the content sees that it is too large. */
static int read_all(int fd, const char *path, struct buf *content, struct err *err)
{
    char chunk[CHUNK_SIZE];
    while (content->length <= CONFIG_FILE_MAX) {
        ssize_t length = read(fd, chunk, sizeof chunk);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return fail_file(path, err);
        if (length == 0)
            return 0;
        buf_add(content, chunk, (size_t)length);
        sodium_memzero(chunk, (size_t)length);
    }
    return 0;
}

int config_read_file(struct config *config, const char *path, config_reader *read, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_file(path, err);
    struct buf content;
    buf_init(&content, CONFIG_FILE_MAX + CHUNK_SIZE);
    int result = read_all(fd, path, &content, err);
    close(fd);
    config_note_file(config, path);
    if (result == 0)
        result = read(config, path, content.bytes, content.length, err);
    if (content.length) /* there may be a key in it */
        sodium_memzero(content.bytes, content.length);
    buf_fini(&content);
    return result;
}
