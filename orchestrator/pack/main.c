/* evidence: builds the evidence pack of a run, or verifies one from its files alone. Run by `orchctl evidence` and
 * `orchctl soak`. */
#include "config/recorded.h"
#include "pack.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <string.h>

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: evidence build|verify [options]\n\n"
                 "  --effective FILE   configuration of the folder (default runtime/effective_config.json)\n"
                 "  --run-id ID        a run of this folder (default: the last one)\n"
                 "  --pack DIR         verify: the pack's folder, when it has been moved\n"
                 "  --json             JSON instead of text\n\n");
    exits_print(out);
    return code;
}

struct arguments {
    const char *verb, *effective_path, *run_id, *folder;
    bool json;
};

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    if (argc < 2 || (strcmp(argv[1], "build") != 0 && strcmp(argv[1], "verify") != 0))
        return false;
    arguments->verb = argv[1];
    for (int i = 2; i < argc; i++) {
        const char **value = strcmp(argv[i], "--effective") == 0 ? &arguments->effective_path
                             : strcmp(argv[i], "--run-id") == 0  ? &arguments->run_id
                             : strcmp(argv[i], "--pack") == 0    ? &arguments->folder
                                                                 : NULL;
        if (strcmp(argv[i], "--json") == 0)
            arguments->json = true;
        else if (!value || i + 1 >= argc)
            return false;
        else
            *value = argv[++i];
    }
    return true;
}

/* open_pack: run and folders from the configuration of this folder. */
static int open_pack(const struct arguments *arguments, struct pack *pack)
{
    struct config *config = config_create();
    struct error error = {{0}};
    enum status status = recorded_config(config, arguments->effective_path, &error);
    const char *run_id = arguments->run_id ? arguments->run_id : config_text(config, "run.run_id");
    if (status == STATUS_OK)
        status = *run_id ? run_id_check(run_id, &error) : recorded_none(&error);
    if (status != STATUS_OK)
        fprintf(stderr, "evidence: %s\n", error.text);
    snprintf(pack->run_id, sizeof pack->run_id, "%s", run_id);
    snprintf(pack->artifacts_dir, PATH_BYTES, "%s", config_text(config, "run.artifacts_dir"));
    snprintf(pack->logs_dir, PATH_BYTES, "%s", config_text(config, "run.logs_dir"));
    pack->is_led = file_lock_held("runtime/orchestrator.lock");
    pack->goes_on = pack->is_led && strcmp(run_id, config_text(config, "run.run_id")) == 0;
    path_join(pack->folder, config_text(config, "run.state_dir"), "concluding/%s", run_id);
    pack->is_left = file_exists(pack->folder);
    path_join(pack->folder, pack->artifacts_dir, "evidence/%s", run_id);
    if (arguments->folder)
        snprintf(pack->folder, PATH_BYTES, "%s", arguments->folder);
    config_destroy(config);
    return exit_of(status);
}

/* pack_here: whether there is a pack to verify. A folder that holds anything is one, in whatever state: verifying tells. */
static int pack_here(const struct arguments *arguments, const struct pack *pack)
{
    if (file_exists(pack->folder))
        return EXIT_FINE;
    struct error error = {{0}};
    if (arguments->folder)
        error_set(&error, STATUS_INVALID, "--pack %s: there is no such folder", pack->folder);
    else
        error_set(&error, STATUS_NOT_FOUND,
                  "there is no evidence pack of run %s here (%s does not exist): `orchctl evidence "
                  "build --run-id %s` builds it",
                  pack->run_id, pack->folder, pack->run_id);
    if (arguments->json)
        pack_print_none(error.text);
    fprintf(stderr, "evidence: %s\n", error.text);
    return arguments->folder ? EXIT_WRONG_USE : EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    static struct pack pack;
    struct arguments arguments = {.effective_path = "runtime/effective_config.json"};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, EXIT_FINE);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("evidence %s\n", ORDERFLOW_VERSION_LINE);
        return EXIT_FINE;
    }
    if (!parse(&arguments, argc, argv))
        return usage(stderr, EXIT_WRONG_USE);
    int code = open_pack(&arguments, &pack);
    bool builds = strcmp(arguments.verb, "build") == 0;
    if (code == EXIT_FINE && !builds)
        code = pack_here(&arguments, &pack);
    if (code == EXIT_FINE)
        code = builds ? pack_build(&pack, arguments.json) : pack_verify(&pack, arguments.json);
    pack_finish(&pack);
    return code;
}
