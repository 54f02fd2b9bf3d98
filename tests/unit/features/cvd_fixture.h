/* cvd_fixture: the trades of golden.md §2 and what CVD makes of them. Header only: each test is one source. */
#pragma once

#include "market/statistics.h"
#include "market_rows.h"
#include "services/features/cvd.h"

#define FIXTURE __attribute__((unused)) static

enum { GOLDEN_TRADES = 121 };

FIXTURE struct trade_row golden_trade(int i)
{
    int64_t t = EPOCH_MS;
    for (int k = 0; k <= i; k++)
        t += k == 70 ? 4500 : k == 90 ? 6000 : 400;
    if (i == 120)
        return trade_of(t, i, 100, 40, 0);
    return trade_of(t, i, 100, ((37 * i) % 23 + 1) / 10.0, (5 * i) % 7 < 3);
}

FIXTURE struct cvd_config config_v2_class(void)
{
    struct cvd_config config = cvd_config_default();
    config.winsor_limit = 2.0;
    config.mad_multiplier = 1.70;
    config.scale_fast_weight = 0.30;
    config.half_life_sec = 600;
    config.half_life_fast_sec = 60;
    config.freeze_min = 20;
    config.ewma_init = CVD_EWMA_FIRST;
    return config;
}

FIXTURE void golden_rows(const struct cvd_config *config, struct cvd_row rows[GOLDEN_TRADES])
{
    struct error error;
    assert_int_equal(cvd_config_check(config, &error), STATUS_OK);
    struct cvd_engine *engine = cvd_engine_create(config);
    for (int i = 0; i < GOLDEN_TRADES; i++) {
        struct trade_row trade = golden_trade(i);
        assert_int_equal(cvd_engine_feed(engine, &trade, &rows[i]), CVD_ROW);
    }
    cvd_engine_destroy(engine);
}
