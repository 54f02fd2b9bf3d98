// links: config base
/* Configuration text: mistakes with their place and key, or a configuration that prints, hashes and validates. */
#include "fuzz.h"

#include "config/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct config_errors errors;
    struct buffer text;
    char fingerprint[65];
    config_errors_init(&errors);
    buffer_init(&text, 0);
    struct config *config = config_create();
    enum status status = config_load_text(config, "input.yaml", data, bytes, &errors);
    fuzz_require((status == STATUS_OK) == (errors.count == 0));
    config_errors_print(&errors, &text);
    fuzz_require((errors.count == 0) == (text.length == 0));
    config_fingerprint(config, fingerprint);
    buffer_clear(&text);
    config_json(config, &text);
    buffer_finish(&text);
    config_errors_finish(&errors);
    config_destroy(config);
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    static const char *const TEXTS[] = {
        "run:\n  symbols: [BTCUSDT, ETHUSDT]\n  sink: dual\njournal:\n  durability: power\n  max_mb: 12\n",
        "ofi:\n  levels: 5\n  window: 300\nfusion:\n  mode: auto\nharvest:\n  venue: simulator\n",
        "harvest:\n  on_full: drop\n",
        "thresholds:\n  default: {buy: 1.5, sell: -1.5, strong: 2.5}\n",
        "a: &a {b: 1}\nc: *a\n---\nd: !!str e\n",
        "\"run\": {\"run_id\": \"x\", \"minutes\": 1.5e3}\n",
    };
    struct buffer text;
    buffer_init(&text, 0);
    struct config *config = config_create();
    config_json(config, &text); /* what an orchestrator writes */
    take(text.data, text.length);
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        take(TEXTS[i], strlen(TEXTS[i]));
    buffer_finish(&text);
    config_destroy(config);
}
