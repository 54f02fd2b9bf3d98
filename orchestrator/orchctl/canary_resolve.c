/* canary resolve: a person says that an incident is over. While a run goes on its orchestrator writes it down; else we do, holding the
 * folder's lock meanwhile. */
#include "base/clock.h"
#include "base/json.h"
#include "client.h"
#include "orchestrator/canary/incidents.h"
#include "place.h"
#include "verb.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

const char *invocation_who(const struct invocation *invocation, char text[WHO_BYTES])
{
    const char *given = invocation_value(invocation, "--who");
    const struct passwd *entry = getpwuid(getuid());
    if (given || entry)
        return given ? given : entry->pw_name;
    snprintf(text, WHO_BYTES, "uid %d", (int)getuid());
    return text;
}

static void args_make(const char *id, const struct incident_resolution *resolution, struct buffer *out)
{
    struct json json;
    buffer_init(out, 0);
    json_init(&json, out);
    json_object_begin(&json);
    json_key_text(&json, "id", id);
    json_key_text(&json, "why", resolution->why);
    json_key_text(&json, "who", resolution->who);
    json_object_end(&json);
}

static enum status ask(const struct invocation *invocation, const struct incident_resolution *resolution,
                       struct error *error)
{
    struct client *client = NULL;
    struct buffer args;
    yyjson_doc *reply = NULL;
    args_make(invocation->words[1], resolution, &args);
    enum status status = client_open(invocation->timeout_ms, &client, error);
    if (status == STATUS_OK)
        status = client_ask(client, "resolve", buffer_text(&args), &reply, error);
    buffer_finish(&args);
    yyjson_doc_free(reply);
    client_close(client);
    return status;
}

/* write_down: nobody runs here, and nobody can begin to while we hold the lock. No lock file: nobody ever did. */
static enum status write_down(const char *id, const struct incident_resolution *resolution,
                              struct error *error)
{
    struct config *config;
    struct incident incident;
    char path[PATH_BYTES];
    int descriptor = open("runtime/orchestrator.lock", O_RDWR | O_CLOEXEC);
    enum status status = descriptor < 0 || file_lock(descriptor) == STATUS_OK
                             ? place_config(&config, error)
                             : error_set(error, STATUS_CONFLICT, "a run has just begun here; try again");
    if (status == STATUS_OK) {
        incidents_path(config_text(config, "run.artifacts_dir"), path);
        status = incidents_resolve(path, id, resolution, &incident, error);
        config_destroy(config);
    }
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

int canary_resolve(const struct invocation *invocation)
{
    struct clock clock = clock_system();
    struct error error = {{0}};
    char user[WHO_BYTES];
    const char *id = invocation->words[1];
    const struct incident_resolution resolution = {.who = invocation_who(invocation, user),
                                                   .why = invocation_value(invocation, "--reason"),
                                                   .wall_ms = clock_wall_ms(&clock)};
    if (!id)
        return complain(EXIT_WRONG_USE, "canary resolve: which incident? `orchctl canary resolve "
                                        "incident-000001 --reason TEXT`");
    if (!resolution.why || !*resolution.why)
        return complain(EXIT_WRONG_USE, "canary resolve: --reason TEXT says why it is over");
    bool lives = place_orchestrator_lives();
    enum status status = lives ? ask(invocation, &resolution, &error) : write_down(id, &resolution, &error);
    bool refused =
        status == STATUS_NOT_FOUND || status == STATUS_CONFLICT || (lives && status == STATUS_INVALID);
    if (status != STATUS_OK)
        return complain(refused ? EXIT_NOT_EVEN : EXIT_REFUSED, "canary %s%s",
                        lives ? "" : "resolve: ", error.text);
    if (invocation->json)
        printf("{\"incident\":\"%s\",\"state\":\"closed\"}\n", id);
    else
        printf("%s is closed\n", id);
    return EXIT_FINE;
}
