/* What the files of this folder share and nobody else needs: the checks that rows of the table
 * name, the readers behind config_load, and the bounds of what they read. */
#ifndef DOORBELL_CONFIG_INTERNAL_H
#define DOORBELL_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/schema.h"

enum {
    CONFIG_FILE_MAX = 1024 * 1024, /* room for a list of some 20,000 account ids */
    CONFIG_LIST_MAX = 16384,       /* members of one list */
    CONFIG_VALUE_MAX = 4095,       /* bytes of one value: the longest path that Linux takes */
    CONFIG_PATH_SIZE = 128, /* a dotted name of the file, far longer than any that is known */
    CONFIG_NAME_SIZE = 64,  /* what a sentence repeats of a name that is not ours */
    DURATION_TEXT_SIZE = 32,
};

/* Where files are looked for, and read by the manual, too. */
#define CONFIG_FILE_HERE "doorbell.yaml"
#define CONFIG_FILE_OF_SYSTEM "/etc/doorbell/doorbell.yaml"
#define CONFIG_PACKAGE_DEFAULTS "/usr/share/doorbell/defaults.yaml"
#define CONFIG_MOLLY_FILE_HERE "mollysocket.toml"
#define CONFIG_MOLLY_FILE_OF_USER "mollysocket/config.toml" /* below ~/.config */
#define CONFIG_MOLLY_FILE_OF_SYSTEM "/etc/mollysocket/config.toml"
#define CONFIG_MOLLY_DATABASE_HERE "./" CONFIG_MOLLY_DATABASE

/* Name files; not settings. */
#define CONFIG_FILE_VARIABLE "DOORBELL_CONFIG"
#define CONFIG_MOLLY_FILE_VARIABLE "MOLLY_CONF"

/* Notes where the value that a setting has now was written. */
void config_note_place(struct config *config, const struct setting *setting, const char *place);

/* Reads the package's defaults, MollySocket's file and ours, those of them that there are. */
int config_read_files(struct config *config, const struct config_sources *sources, struct err *err);
bool config_is_there(const char *path);
/* A name that the network can have, and no address with parts missing. */
bool config_is_host_name(const char *value);

/* Notes that it was read. */
void config_note_file(struct config *config, const char *path);

/* Reads settings from a file's content; `name` is what errors call it: "NAME:LINE: ...". */
typedef int config_reader(struct config *config, const char *name, const void *bytes, size_t length,
                          struct err *err);
config_reader config_read_yaml;
config_reader config_read_molly_toml; /* MollySocket's; unknown keys are one warning each */
/* Whether it is MollySocket's: by how it ends, else by its first line. */
bool config_file_is_toml(const char *path);
int config_read_file(struct config *config, const char *path, config_reader *read, struct err *err);

/* Read variables of the environment, DOORBELL_* or MollySocket's; unknown ones are one warning
 * each. */
int config_read_environment(struct config *config, char **environment, struct err *err);
int config_read_molly_environment(struct config *config, char **environment, struct err *err);
/* As its `db` with the default of MollySocket's own would be; `place` says why. */
int config_take_molly_database(struct config *config, const char *place, struct err *err);
/* MollySocket's variables that set one of our settings, "MOLLY_HOST, MOLLY_PORT"; NULL: none. The
 * caller frees it. */
char *config_molly_names(const struct setting *setting);
/* Whether a variable's name, `length` bytes of it, is one of these of this setting. */
bool config_is_molly_variable(const struct setting *setting, const char *name, size_t length);
/* NULL when there is no such variable, or an empty one. */
const char *config_environment_value(char **environment, const char *name);
/* Compose files in list form keep the quotes of NAME="value". The caller frees it. */
char *config_without_quotes(const char *value);

/* Said of settings that are fixed. */
#define SCHEMA_FIXED_HELP "A change needs a restart."

/* Whether settings begin with "path.". */
bool schema_is_section(const char *path);
/* Whether a variable's name, `length` bytes of it, is that of this setting. */
bool schema_is_environment_name(const struct setting *setting, const char *name, size_t length);

/* Trims and checks one value as schema_set_list does for its members; `position` counts from 1 and
 * is named in the sentence, 0 is not. The caller frees *item. */
int schema_check_item(const struct setting *setting, const char *text, size_t position, char **item,
                      struct err *err);

void duration_format(char text[DURATION_TEXT_SIZE], int64_t ms);

/* The checks of single values. Their sentences speak of "it" and never repeat the value, which may
 * be an address, a path or an account id. */
int check_file_path(const char *value, struct err *err);
int check_socket_path(const char *value, struct err *err);
int check_listen(const char *value, struct err *err);
int check_metrics_listen(const char *value, struct err *err);
int check_admin_listen(const char *value, struct err *err);
int check_contact(const char *value, struct err *err);
int check_http_url(const char *value, struct err *err);
int check_trusted_proxy(const char *value, struct err *err);
int check_signal_url(const char *value, struct err *err);
int check_signal_http2_url(const char *value, struct err *err);
int check_user_agent(const char *value, struct err *err);
int check_allowed_endpoint(const char *value, struct err *err);
int check_denied(const char *value, struct err *err);
int check_vapid_subject(const char *value, struct err *err);
int check_allowed_account(const char *value, struct err *err);
int check_nameserver(const char *value, struct err *err);
int check_alert_url(const char *value, struct err *err);
int check_token(const char *value, struct err *err);

#endif
