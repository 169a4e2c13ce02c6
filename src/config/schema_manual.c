/* doorbell.yaml(5): what is true of every setting is said here once, what is true of one comes from
 * its row. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/roff.h"
#include "config/internal.h"
#include "config/service.h"

enum { PAGE_MAX = 512 * 1024 }; /* far more than the table makes */

static void add_files(struct buf *page)
{
    roff_heading(page, "FILES");
    roff_paragraph(page, "No file is needed. The first one of these that is there is read:");
    roff_entry(page, "-c FILE, --config FILE", "On the command line.");
    roff_entry(page, "$" CONFIG_FILE_VARIABLE, "In the environment.");
    roff_entry(page, "./" CONFIG_FILE_HERE, "In the working directory.");
    roff_entry(page, CONFIG_FILE_OF_SYSTEM, "Of the system.");
    roff_entry(page, "setup.yaml",
               "Beside the store: what was answered to `doorbell setup`, below all of these.");
    roff_paragraph(page, "A file that is named and cannot be read stops the start. MollySocket's "
                         "own file is read, too, as it is:");
    roff_entry(page, "-c FILE, $" CONFIG_MOLLY_FILE_VARIABLE,
               "Where it is named, below a file of ours. One that -c names is known by its name, "
               "which ends in .toml, or by its first line, which has = and no colon.");
    roff_entry(page,
               "$XDG_CONFIG_HOME/" CONFIG_MOLLY_FILE_OF_USER ", ./" CONFIG_MOLLY_FILE_HERE
               ", " CONFIG_MOLLY_FILE_OF_SYSTEM,
               "The first of them, where no file of either kind is named and there is none of "
               "ours. Without XDG_CONFIG_HOME it is ~/.config.");
}

static void add_precedence(struct buf *page)
{
    roff_heading(page, "PRECEDENCE");
    roff_paragraph(page,
                   "Of several places the later one in this order wins: the defaults below; those "
                   "of the package or image in " CONFIG_PACKAGE_DEFAULTS "; setup.yaml beside "
                   "the store, which `doorbell setup` writes; MollySocket's file; our file; "
                   "MOLLY_* variables; DOORBELL_* variables; --set on the command line. "
                   "`doorbell config` shows what it comes to, and where each value was written.");
}

static void add_form(struct buf *page)
{
    roff_heading(page, "DESCRIPTION");
    roff_paragraph(page,
                   "The settings of doorbell(1). The file is YAML: sections, and within them names "
                   "with values, indented by two spaces. Below, the setting timeout of the section "
                   "push is called push.timeout. What is left out keeps its default; a name that "
                   "is not known stops the start, with the nearest one that is.");
    roff_example(page, "web:\n"
                       "  public_url: \"https://push.example.org/\"\n"
                       "push:\n"
                       "  allowed_endpoints: [\"*\", \"http://192.168.1.5:8080\"]\n"
                       "  timeout: 20s");
    roff_paragraph(page, "Values that begin with another character than a letter, a digit, a dot "
                         "or a slash stand in quotes. The kinds of values are:");
    roff_entry(page, "text", "As it is.");
    roff_entry(page, "true or false", "Also yes or no, on or off, 1 or 0.");
    roff_entry(page, "number", "Whole, within the bounds that are named.");
    roff_entry(page, "duration", "A number with its unit: 250ms, 20s, 5m, 1h or 2d.");
    roff_entry(page, "list",
               "A sequence of texts, or one text. In the environment and with --set "
               "it is written one,two or as a JSON array.");
}

static void add_signals(struct buf *page)
{
    roff_heading(page, "SIGNALS");
    roff_entry(page, "SIGHUP",
               "A running server loads its configuration again. A "
               "change that needs a restart, or a mistake, is told in the log, and then the old "
               "configuration stays in force as a whole.");
}

static void add_statuses(struct buf *page)
{
    roff_heading(page, "EXIT STATUS");
    roff_paragraph(page, "`doorbell config check` tells what a configuration is good for, with the "
                         "place of the mistake:");
    roff_entry(page, "0", "A server would start with it.");
    roff_entry(page, "1", "It would not.");
}

static void add_environment(struct buf *page)
{
    roff_heading(page, "ENVIRONMENT");
    roff_paragraph(page,
                   "Each setting has a variable, which is named with it above. A variable of ours "
                   "or MollySocket's that is not known is one warning in the log. Besides:");
    roff_entry(page, CONFIG_FILE_VARIABLE, "The file to load where none is named by --config.");
    roff_entry(page, CONFIG_MOLLY_FILE_VARIABLE, "MollySocket's file.");
    roff_entry(page, "RUST_LOG",
               "As MollySocket takes it: a hint for log.level, below all else "
               "but the files.");
    roff_entry(page, "CREDENTIALS_DIRECTORY",
               "Of systemd: a credential named vapid.key in it is the key that signs pushes, where "
               "no setting names one; one named " CONFIG_STORE_CREDENTIAL
               " is the key that the store's passwords are sealed with, where no setting names "
               "one.");
}

static void add_choices(struct buf *kind, const struct setting *setting)
{
    for (size_t i = 0; setting->choices[i]; i++)
        buf_format(kind, "%s%s",
                   i == 0                    ? ""
                   : setting->choices[i + 1] ? ", "
                                             : " or ",
                   setting->choices[i]);
}

static void add_bounds(struct buf *kind, const struct setting *setting)
{
    char least[DURATION_TEXT_SIZE], most[DURATION_TEXT_SIZE];
    duration_format(least, setting->least);
    duration_format(most, setting->most);
    if (setting->type == SETTING_DURATION)
        buf_format(kind, "duration from %s to %s", least, most);
    else
        buf_format(kind, "number from %lld to %lld", (long long)setting->least,
                   (long long)setting->most);
}

static void add_kind(struct buf *kind, const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_TEXT:
        buf_add_text(kind, "text");
        break;
    case SETTING_BOOL:
        buf_add_text(kind, "true or false");
        break;
    case SETTING_NUMBER:
    case SETTING_DURATION:
        add_bounds(kind, setting);
        break;
    case SETTING_CHOICE:
        add_choices(kind, setting);
        break;
    case SETTING_LIST:
        buf_add_text(kind, "list");
        break;
    }
}

/* "web.listen (list, default 127.0.0.1:8020)" */
static char *label_of(const struct setting *setting)
{
    struct buf label;
    buf_init(&label, PAGE_MAX);
    buf_format(&label, "%s (", setting->path);
    add_kind(&label, setting);
    if (setting->standard)
        buf_format(&label, ", default %s", setting->standard);
    buf_add_text(&label, ")");
    char *text = mem_copy((const char *)label.bytes, label.length);
    buf_fini(&label);
    return text;
}

static void add_setting(struct buf *page, const struct setting *setting)
{
    char *label = label_of(setting), *molly = config_molly_names(setting);
    char *variable = schema_environment_name(setting);
    char *more = mem_format("Environment: %s.%s%s%s%s%s", variable, molly ? " MollySocket: " : "",
                            molly ? molly : "", molly ? "." : "",
                            setting->fixed ? " " SCHEMA_FIXED_HELP : "",
                            setting->secret ? " A value that is set is never printed." : "");
    roff_entry(page, label, setting->help);
    roff_more(page, more);
    free(more);
    free(variable);
    free(molly);
    free(label);
}

/* Of its own, without a section: with those before and after it under one heading. */
static size_t section_length(const struct setting *setting)
{
    size_t length = strcspn(setting->path, ".");
    return setting->path[length] ? length : 0;
}

static void add_section(struct buf *page, const struct setting *setting)
{
    size_t length = section_length(setting);
    char *name = length ? mem_copy(setting->path, length) : mem_text("Without a section");
    roff_subheading(page, name);
    free(name);
}

static void add_settings(struct buf *page)
{
    roff_heading(page, "SETTINGS");
    roff_paragraph(page, "With each stand its kind, its default, its variable in the environment, "
                         "and the variable by which MollySocket sets the same. A running server "
                         "takes a change on SIGHUP, except where it says that it needs a restart.");
    for (size_t i = 0; i < schema_count; i++) {
        size_t length = section_length(&schema[i]);
        if (i == 0 || length != section_length(&schema[i - 1]) ||
            strncmp(schema[i].path, schema[i - 1].path, length) != 0)
            add_section(page, &schema[i]);
        add_setting(page, &schema[i]);
    }
}

static void add_examples(struct buf *page)
{
    roff_heading(page, "EXAMPLES");
    roff_paragraph(page, "A commented file with every setting, to begin with:");
    roff_example(page, "doorbell config sample > doorbell.yaml");
    roff_paragraph(page, "A push server in the same house, whose private address needs an entry:");
    roff_example(page, "push:\n"
                       "  allowed_endpoints: [\"*\", \"http://ntfy.lan\"]");
    roff_paragraph(page, "The same in the environment, and on the command line:");
    roff_example(page, "DOORBELL_PUSH_ALLOWED_ENDPOINTS='*,http://ntfy.lan' doorbell server\n"
                       "doorbell --set 'push.allowed_endpoints=*,http://ntfy.lan' server");
    roff_paragraph(page, "Try a file before the running server loads it:");
    roff_example(page, "doorbell -c /etc/doorbell/doorbell.yaml config check\n"
                       "systemctl reload doorbell");
}

char *schema_manual(void)
{
    struct buf page;
    buf_init(&page, PAGE_MAX);
    roff_begin(&page, "DOORBELL.YAML", "5", "File Formats");
    roff_heading(&page, "NAME");
    roff_paragraph(&page, "doorbell.yaml - configuration of the push bridge doorbell");
    add_form(&page);
    add_files(&page);
    add_precedence(&page);
    add_settings(&page);
    add_environment(&page);
    add_signals(&page);
    add_statuses(&page);
    add_examples(&page);
    roff_heading(&page, "SEE ALSO");
    roff_paragraph(&page, "`doorbell`(1)");
    char *text = mem_copy((const char *)page.bytes, page.length);
    buf_fini(&page);
    return text;
}
