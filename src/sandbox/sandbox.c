#include "sandbox/sandbox.h"

#include "base/log.h"
#include "sandbox/calls.h"
#include "sandbox/fence.h"
#include "sandbox/places.h"

const char *sandbox_wall_name(enum sandbox_wall wall)
{
    static const char *const names[] = {
        [SANDBOX_OFF] = "off", [SANDBOX_MISSING] = "missing", [SANDBOX_ON] = "on"};
    return names[wall];
}

static enum sandbox_wall wall_in_files(const struct config *config, const char *also)
{
    struct err err;
    struct fence *fence = fence_new(&err);
    bool is_closed =
        fence && places_let_in(fence, config, also, &err) == 0 && fence_close(fence, &err) == 0;
    fence_free(fence);
    if (is_closed)
        return SANDBOX_ON;
    log_warn("The sandbox leaves all files open that this user may open: %s. See docs/sandbox.md.",
             err.text);
    return SANDBOX_MISSING;
}

static enum sandbox_wall wall_in_calls(void)
{
    struct err err;
    if (calls_limit(&err) == 0)
        return SANDBOX_ON;
    log_warn("The sandbox leaves all system calls open: %s. See docs/sandbox.md.", err.text);
    return SANDBOX_MISSING;
}

void sandbox_enter(struct sandbox *sandbox, const struct config *config, const char *also)
{
    *sandbox = (struct sandbox){SANDBOX_OFF, SANDBOX_OFF};
    if (!config->sandbox) {
        log_info("The sandbox is off, as the setting sandbox has it.");
        return;
    }
    /* Files first: the calls that wall them in are none of those that are left then. */
    sandbox->files = wall_in_files(config, also);
    sandbox->calls = wall_in_calls();
    if (sandbox->files == SANDBOX_ON && sandbox->calls == SANDBOX_ON)
        log_info("The sandbox is on, for files and system calls.");
    else if (sandbox->files == SANDBOX_ON || sandbox->calls == SANDBOX_ON)
        log_info("The sandbox is on for %s alone.",
                 sandbox->files == SANDBOX_ON ? "files" : "system calls");
}

int sandbox_check(const struct sandbox *sandbox, const struct config *config, struct err *err)
{
    return sandbox->files == SANDBOX_ON ? places_check(config, err) : 0;
}
