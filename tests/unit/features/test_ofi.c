// links: features evaluate market proto base cmocka
/* The golden tables of golden.md §1 and the rules of algorithms.md §2. */
#include "base/random.h"
#include "market/statistics.h"
#include "market_rows.h"
#include "services/features/ofi.h"

static const struct level GOLDEN_BIDS[3][5] = {
    {{100.0, 5}, {99.9, 4}, {99.8, 3}, {99.7, 2}, {99.6, 1}},
    {{100.05, 2}, {100.0, 5}, {99.9, 4}, {99.8, 3}, {99.7, 2}},
    {{100.0, 7}, {99.9, 4}, {99.8, 3}, {99.7, 2}, {99.6, 1}},
};
static const struct level GOLDEN_ASKS[3][5] = {
    {{100.1, 6}, {100.2, 5}, {100.3, 4}, {100.4, 3}, {100.5, 2}},
    {{100.1, 4}, {100.2, 5}, {100.3, 4}, {100.4, 3}, {100.5, 2}},
    {{100.15, 3}, {100.2, 5}, {100.3, 4}, {100.4, 3}, {100.5, 2}},
};

static struct ofi_engine *engine_of_mode(int mode)
{
    struct ofi_config config = ofi_config_default();
    struct error error;
    config.mode = mode;
    assert_int_equal(ofi_config_check(&config, &error), STATUS_OK);
    return ofi_engine_create(&config);
}

struct golden {
    double value;
    double components[5];
    double ema;
};

static void check_golden(int mode, const struct golden rows[3])
{
    struct ofi_engine *engine = engine_of_mode(mode);
    for (int i = 0; i < 3; i++) {
        struct book_row book = book_of(EPOCH_MS + 100 * i, GOLDEN_BIDS[i], 5, GOLDEN_ASKS[i], 5);
        struct ofi_row row;
        enum ofi_outcome outcome = ofi_engine_feed(engine, &book, &row);
        if (i == 0 && mode != OFI_LEGACY) {
            assert_int_equal(outcome, OFI_PRIMED);
            continue;
        }
        assert_int_equal(outcome, OFI_ROW);
        assert_agrees(row.ofi_value, rows[i].value);
        assert_agrees(row.ema_ofi, rows[i].ema);
        for (int level = 0; level < 5; level++)
            assert_agrees(row.components[level], rows[i].components[level]);
        assert_no_value(row.ofi_z);
        assert_no_value(row.ofi_z_raw);
        assert_no_value(row.scale);
        assert_int_equal(row.warmup, 1);
        assert_int_equal(row.ofi_mode, mode);
    }
    ofi_engine_destroy(engine);
}

/* Lesson 14: the price-jump term has an effect. */
static void golden_components_of_cks(void **state)
{
    (void)state;
    check_golden(
        OFI_CKS,
        (struct golden[]){{0}, {2.2, {1.6, .25, .2, .1, .05}, 2.2}, {0.2, {0.8, -.25, -.2, -.1, -.05}, 1.6}});
}

static void golden_components_of_mlofi(void **state)
{
    (void)state;
    check_golden(OFI_MLOFI, (struct golden[]){{0},
                                              {4.05, {1.6, 1.25, .8, .3, .1}, 4.05},
                                              {-1.65, {.8, -1.25, -.8, -.3, -.1}, 2.34}});
}

static void golden_components_of_legacy(void **state)
{
    (void)state;
    check_golden(OFI_LEGACY, (struct golden[]){{-1.0, {-.4, -.25, -.2, -.1, -.05}, -1.0},
                                               {0.2, {-.4, .25, .2, .1, .05}, -0.64},
                                               {1.8, {2.4, -.25, -.2, -.1, -.05}, 0.092}});
}

/* The z sequence: rows[i] of 40 steps, and its ofi column. */
static void check_values(const struct ofi_row rows[40])
{
    static const struct {
        int i;
        double value;
    } VALUES[] = {{4, 1.0}, {5, -3.0}, {6, 4.0}, {10, -1.0}, {20, 3.0}, {30, -4.0}, {39, 4.0}};
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++)
        assert_agrees(rows[VALUES[i].i].ofi_value, VALUES[i].value);
}

static void z_sequence(int mode, struct ofi_row rows[40])
{
    struct ofi_config config = ofi_config_default();
    config.mode = mode;
    config.levels = 1;
    config.weights[0] = 1;
    config.weight_count = 1;
    config.z_window = 25;
    struct ofi_engine *engine = ofi_engine_create(&config);
    double quantity = 50;
    for (int i = 0; i < 40; i++) {
        quantity += (7 * i) % 11 - 5;
        struct book_row book = simple_book(EPOCH_MS + 100 * i, 100, quantity, 101, 20);
        bool has_row = i > 0 || mode == OFI_LEGACY;
        assert_int_equal(ofi_engine_feed(engine, &book, &rows[i]), has_row ? OFI_ROW : OFI_PRIMED);
    }
    ofi_engine_destroy(engine);
    check_values(rows);
}

static void golden_z_sequence_of_cks_and_mlofi(void **state)
{
    (void)state;
    for (int mode = OFI_CKS; mode <= OFI_MLOFI; mode++) {
        struct ofi_row rows[40];
        z_sequence(mode, rows);
        assert_no_value(rows[4].ofi_z);
        assert_no_value(rows[5].ofi_z);
        assert_int_equal(rows[5].warmup, 1);
        assert_agrees(rows[6].ofi_z, 1.0594008198445848);
        assert_agrees(rows[6].scale, 3.2093613071762426);
        assert_int_equal(rows[6].warmup, 0);
        assert_agrees(rows[10].ofi_z, -0.5270462766947298);
        assert_agrees(rows[20].ofi_z, 0.8876612386236645);
        assert_agrees(rows[30].ofi_z, -1.2645598806322964);
        assert_agrees(rows[39].ofi_z, 1.1911707861003022);
        assert_agrees(rows[39].ema_ofi, 1.0105460172984193);
    }
}

static void assert_printed(double value, double printed)
{
    if (fabs(value - printed) > 5.1e-11)
        fail_msg("%.17g, printed as %.10f", value, printed);
}

static void golden_z_sequence_of_legacy(void **state)
{
    (void)state;
    struct ofi_row rows[40];
    z_sequence(OFI_LEGACY, rows);
    assert_agrees(rows[0].ofi_value, 25.0);
    assert_no_value(rows[0].ofi_z);
    assert_no_value(rows[4].ofi_z);
    assert_printed(rows[5].ofi_z, -0.8516328386);
    assert_printed(rows[6].ofi_z, -0.0643090141);
    assert_printed(rows[10].ofi_z, -0.4968328473);
    assert_printed(rows[20].ofi_z, 0.2512036412);
    assert_printed(rows[30].ofi_z, -1.2645598806);
    assert_printed(rows[39].ofi_z, 1.1911707861);
    assert_printed(rows[39].ema_ofi, 1.0105669368);
}

/* A walk of random books; `swapped` mirrors prices around 200 and exchanges the sides. */
static void random_side(struct random *random, double best, double step, struct level out[5])
{
    for (int i = 0; i < 5; i++)
        out[i] = (struct level){best + step * (i + (double)random_below(random, 2)),
                                (double)random_below(random, 50)};
    for (int i = 1; i < 5; i++)
        if ((out[i].price - out[i - 1].price) * step <= 0)
            out[i].price = out[i - 1].price + step;
}

static struct book_row random_book(struct random *random, int64_t ts_ms)
{
    struct level bids[5], asks[5];
    double middle = 100 + (double)random_below(random, 5);
    random_side(random, middle - 1, -1, bids);
    random_side(random, middle + 1, 1, asks);
    return book_of(ts_ms, bids, 5, asks, 5);
}

static struct book_row mirrored(const struct book_row *book)
{
    struct book_row other = *book;
    int64_t sum = decimal_of(200).units;
    for (int i = 0; i < 5; i++) {
        other.bid_price[i].units = sum - book->ask_price[i].units;
        other.ask_price[i].units = sum - book->bid_price[i].units;
        other.bid_qty[i] = book->ask_qty[i];
        other.ask_qty[i] = book->bid_qty[i];
    }
    return other;
}

static void swapping_the_sides_negates_every_component(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 11);
    for (int mode = OFI_CKS; mode <= OFI_LEGACY; mode++) {
        struct ofi_engine *engine = engine_of_mode(mode), *other = engine_of_mode(mode);
        for (int i = 0; i < 300; i++) {
            struct book_row book = random_book(&random, EPOCH_MS + 100 * i), swapped = mirrored(&book);
            struct ofi_row row, negated;
            enum ofi_outcome outcome = ofi_engine_feed(engine, &book, &row);
            assert_int_equal(ofi_engine_feed(other, &swapped, &negated), outcome);
            if (outcome != OFI_ROW)
                continue;
            assert_true(row.ofi_value == -negated.ofi_value);
            for (int level = 0; level < 5; level++)
                assert_true(row.components[level] == -negated.components[level]);
            if (!isnan(row.ofi_z))
                assert_agrees(row.ofi_z, -negated.ofi_z);
        }
        ofi_engine_destroy(engine);
        ofi_engine_destroy(other);
    }
}

static void scaling_the_quantities_scales_the_value(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 12);
    struct ofi_engine *engine = engine_of_mode(OFI_MLOFI), *other = engine_of_mode(OFI_MLOFI);
    for (int i = 0; i < 200; i++) {
        struct book_row book = random_book(&random, EPOCH_MS + 100 * i), larger = book;
        for (int level = 0; level < 5; level++) {
            larger.bid_qty[level].units *= 8;
            larger.ask_qty[level].units *= 8;
        }
        struct ofi_row row, scaled;
        if (ofi_engine_feed(engine, &book, &row) == OFI_ROW) {
            assert_int_equal(ofi_engine_feed(other, &larger, &scaled), OFI_ROW);
            assert_true(scaled.ofi_value == 8 * row.ofi_value);
        } else {
            ofi_engine_feed(other, &larger, &scaled);
        }
    }
    ofi_engine_destroy(engine);
    ofi_engine_destroy(other);
}

/* Lesson 15: 5000 Gaussian inputs, with every clip at work: the scale stays within 20 % of the truth. */
static void history_holds_raw_values_so_the_scale_does_not_collapse(void **state)
{
    (void)state;
    struct ofi_config config = ofi_config_default();
    struct random random;
    config.levels = 1;
    config.weights[0] = 1;
    config.z_window = 1000;
    config.z_clip = 1;
    config.soft_clip_k = 1;
    struct ofi_engine *engine = ofi_engine_create(&config);
    random_seed(&random, 15);
    double quantity = 1e6, sigma = 10;
    for (int i = 0; i < 5000; i++) {
        quantity += sigma * random_normal(&random);
        struct book_row book = simple_book(EPOCH_MS + 100 * i, 100, quantity, 101, 20);
        struct ofi_row row;
        if (ofi_engine_feed(engine, &book, &row) != OFI_ROW || i < 1000)
            continue;
        assert_true(row.scale > 0.8 * sigma && row.scale < 1.2 * sigma);
        assert_true(fabs(row.ofi_z) <= 1);
    }
    struct ofi_tail tail = ofi_engine_tail(engine);
    double share = (double)tail.p_gt2_cnt / (double)tail.total_cnt;
    assert_true(share > 0.03 && share < 0.07); /* lesson 10: the tail is that of the unclipped z */
    ofi_engine_destroy(engine);
}

/* Lesson 16: 3 s gap: no row, then a small value. */
static void a_gap_primes_anew_instead_of_giving_an_outlier(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_CKS);
    struct ofi_row row;
    int64_t t = EPOCH_MS;
    for (int i = 0; i < 50; i++, t += 100) {
        struct book_row book = simple_book(t, 100, 50 + i % 3, 101, 20);
        ofi_engine_feed(engine, &book, &row);
    }
    t += 3000 - 100;
    struct book_row after = simple_book(t, 140, 5000, 141, 20);
    assert_int_equal(ofi_engine_feed(engine, &after, &row), OFI_PRIMED);
    struct book_row next = simple_book(t + 100, 140, 5001, 141, 20);
    assert_int_equal(ofi_engine_feed(engine, &next, &row), OFI_ROW);
    assert_agrees(row.ofi_value, 0.4);
    assert_agrees(row.ema_ofi, 0.4);
    assert_int_equal(row.session_reset, 1);
    assert_int_equal(row.warmup, 1);
    struct book_row third = simple_book(t + 200, 140, 5001, 141, 20);
    assert_int_equal(ofi_engine_feed(engine, &third, &row), OFI_ROW);
    assert_int_equal(row.session_reset, 0);
    ofi_engine_destroy(engine);
}

static void legacy_keeps_the_previous_book_across_a_reset(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_LEGACY);
    struct ofi_row row;
    struct book_row first = simple_book(EPOCH_MS, 100, 50, 101, 20);
    struct book_row second = simple_book(EPOCH_MS + 3000, 100, 60, 101, 20);
    assert_int_equal(ofi_engine_feed(engine, &first, &row), OFI_ROW);
    assert_int_equal(ofi_engine_feed(engine, &second, &row), OFI_ROW);
    assert_int_equal(row.session_reset, 1);
    assert_agrees(row.ofi_value, 4);
    assert_agrees(row.ema_ofi, 4);
    ofi_engine_destroy(engine);
}

static void a_gap_of_exactly_the_limit_does_not_reset(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_CKS);
    struct ofi_row row;
    struct book_row first = simple_book(EPOCH_MS, 100, 50, 101, 20);
    struct book_row second = simple_book(EPOCH_MS + 2000, 100, 51, 101, 20);
    struct book_row third = simple_book(EPOCH_MS + 4001, 100, 52, 101, 20);
    ofi_engine_feed(engine, &first, &row);
    assert_int_equal(ofi_engine_feed(engine, &second, &row), OFI_ROW);
    assert_int_equal(row.session_reset, 0);
    assert_int_equal(ofi_engine_feed(engine, &third, &row), OFI_PRIMED);
    ofi_engine_destroy(engine);
}

static void a_new_utc_day_and_a_synchronised_book_reset(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_CKS);
    struct ofi_row row;
    int64_t midnight = INT64_C(1700006400000);
    struct book_row books[] = {
        simple_book(midnight - 200, 100, 50, 101, 20), simple_book(midnight - 1, 100, 51, 101, 20),
        simple_book(midnight, 100, 52, 101, 20),       simple_book(midnight + 100, 100, 53, 101, 20),
        simple_book(midnight + 200, 100, 54, 101, 20), simple_book(midnight + 300, 100, 55, 101, 20),
    };
    books[0].book_reset = books[4].book_reset = 1;
    const enum ofi_outcome outcomes[] = {OFI_PRIMED, OFI_ROW, OFI_PRIMED, OFI_ROW, OFI_PRIMED, OFI_ROW};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ofi_engine_feed(engine, &books[i], &row), outcomes[i]);
        if (outcomes[i] == OFI_ROW)
            assert_int_equal(row.session_reset, 1);
    }
    ofi_engine_destroy(engine);
}

static void rejected_snapshots_leave_the_state_unchanged(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_CKS);
    struct buffer before, after;
    struct ofi_row row;
    buffer_init(&before, 0);
    buffer_init(&after, 0);
    for (int i = 0; i < 3; i++) {
        struct book_row book = book_of(EPOCH_MS + 100 * i, GOLDEN_BIDS[i], 5, GOLDEN_ASKS[i], 5);
        ofi_engine_feed(engine, &book, &row);
    }
    ofi_engine_save(engine, &before);
    struct book_row crossed = simple_book(EPOCH_MS + 9000, 101, 1, 101, 1);
    struct book_row empty = book_of(EPOCH_MS + 9000, GOLDEN_BIDS[0], 0, GOLDEN_ASKS[0], 5);
    struct book_row worthless = simple_book(EPOCH_MS + 9000, 0, 1, 101, 1);
    struct level twice[] = {{100, 1}, {99, 1}, {99, 2}};
    struct book_row duplicate = book_of(EPOCH_MS + 9000, twice, 3, GOLDEN_ASKS[0], 5);
    assert_int_equal(ofi_engine_feed(engine, &crossed, &row), OFI_BOOK_CROSSED);
    assert_int_equal(ofi_engine_feed(engine, &empty, &row), OFI_BOOK_EMPTY);
    assert_int_equal(ofi_engine_feed(engine, &worthless, &row), OFI_BOOK_EMPTY);
    assert_int_equal(ofi_engine_feed(engine, &duplicate, &row), OFI_BOOK_DUPLICATE_PRICE);
    ofi_engine_save(engine, &after);
    assert_int_equal(before.length, after.length);
    assert_memory_equal(before.data, after.data, before.length);
    buffer_finish(&before);
    buffer_finish(&after);
    ofi_engine_destroy(engine);
}

static void unsorted_sides_are_sorted_and_bad_points_counted_once_per_side(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_MLOFI), *sorted = engine_of_mode(OFI_MLOFI);
    struct ofi_row row, expected;
    for (int i = 0; i < 3; i++) {
        struct book_row book = book_of(EPOCH_MS + 100 * i, GOLDEN_BIDS[i], 5, GOLDEN_ASKS[i], 5),
                        shuffled = book;
        shuffled.bid_price[0] = book.bid_price[3];
        shuffled.bid_qty[0] = book.bid_qty[3];
        shuffled.bid_price[3] = book.bid_price[0];
        shuffled.bid_qty[3] = book.bid_qty[0];
        enum ofi_outcome outcome = ofi_engine_feed(engine, &shuffled, &row);
        assert_int_equal(ofi_engine_feed(sorted, &book, &expected), outcome);
        if (outcome == OFI_ROW)
            assert_memory_equal(row.components, expected.components, sizeof row.components);
    }
    assert_int_equal(row.bad_points, 0);
    struct book_row bad = book_of(EPOCH_MS + 300, GOLDEN_BIDS[0], 5, GOLDEN_ASKS[0], 5);
    bad.bid_qty[1].units = -5;
    bad.bid_qty[2] = decimal_null();
    bad.ask_price[4] = decimal_null();
    assert_int_equal(ofi_engine_feed(engine, &bad, &row), OFI_ROW);
    assert_int_equal(row.bad_points, 2);
    ofi_engine_destroy(engine);
    ofi_engine_destroy(sorted);
}

/* A level that appears counts with all of its quantity, one that goes takes all of it away. */
static void missing_levels_are_infinitely_far_away(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_MLOFI);
    struct ofi_row row;
    struct book_row thin = book_of(EPOCH_MS, GOLDEN_BIDS[0], 1, GOLDEN_ASKS[0], 1);
    struct book_row deep = book_of(EPOCH_MS + 100, GOLDEN_BIDS[0], 2, GOLDEN_ASKS[0], 3);
    struct book_row again = book_of(EPOCH_MS + 200, GOLDEN_BIDS[0], 1, GOLDEN_ASKS[0], 1);
    assert_int_equal(ofi_engine_feed(engine, &thin, &row), OFI_PRIMED);
    assert_int_equal(ofi_engine_feed(engine, &deep, &row), OFI_ROW);
    assert_agrees(row.components[0], 0);
    assert_agrees(row.components[1], 0.25 * (4 - 5));
    assert_agrees(row.components[2], 0.2 * (0 - 4));
    assert_agrees(row.components[3], 0);
    assert_int_equal(ofi_engine_feed(engine, &again, &row), OFI_ROW);
    assert_agrees(row.components[1], 0.25 * (-4 + 5));
    assert_agrees(row.components[2], 0.2 * 4);
    ofi_engine_destroy(engine);
}

static void prices_of_different_exponents_compare_exactly(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_CKS);
    struct ofi_row row;
    struct book_row first = simple_book(EPOCH_MS, 100.1, 5, 100.2, 5), second = first;
    second.ts_ms += 100;
    second.bid_price[0] = (struct decimal){1001, 1};
    second.ask_price[0] = (struct decimal){INT64_C(100200000000001), 12};
    ofi_engine_feed(engine, &first, &row);
    assert_int_equal(ofi_engine_feed(engine, &second, &row), OFI_ROW);
    assert_agrees(row.components[0], 0.4 * (0 + 5)); /* the ask rose by 1e-12 */
    ofi_engine_destroy(engine);
}

static void a_constant_history_uses_the_floor(void **state)
{
    (void)state;
    struct ofi_engine *engine = engine_of_mode(OFI_CKS);
    struct ofi_row row;
    for (int i = 0; i < 40; i++) {
        struct book_row book = simple_book(EPOCH_MS + 100 * i, 100, i < 39 ? 50 : 50.5, 101, 20);
        ofi_engine_feed(engine, &book, &row);
    }
    assert_int_equal(row.std_zero, 1);
    assert_agrees(row.scale, 1e-4);
    assert_agrees(row.ofi_z_raw, 0.2 / 1e-4);
    assert_agrees(row.ofi_z, 3.0);
    ofi_engine_destroy(engine);
}

static void soft_clip_limits_the_clipped_z_only(void **state)
{
    (void)state;
    struct ofi_config config = ofi_config_default();
    config.levels = 1;
    config.weights[0] = 1;
    config.z_window = 25;
    config.soft_clip_k = 2;
    config.z_clip = 0;
    struct ofi_engine *engine = ofi_engine_create(&config);
    struct ofi_row row;
    double quantity = 50, values[41];
    for (int i = 0; i <= 40; i++) {
        values[i] = i < 40 ? (7 * i) % 11 - 5 : 100;
        quantity += values[i];
        struct book_row book = simple_book(EPOCH_MS + 100 * i, 100, quantity, 101, 20);
        ofi_engine_feed(engine, &book, &row);
    }
    double *history = values + 15, sorted[25];
    double mean = statistics_mean(history, 25), sigma = statistics_sigma(history, 25, mean);
    memcpy(sorted, history, sizeof sorted);
    statistics_sort(sorted, 25);
    double limit = statistics_median_sorted(sorted, 25) + 2 * 1.4826 * statistics_mad_sorted(sorted, 25);
    assert_agrees(row.ofi_z_raw, (100 - mean) / sigma);
    assert_agrees(row.ofi_z, (limit - mean) / sigma);
    ofi_engine_destroy(engine);
}

static void weights_are_cut_padded_and_normalised(void **state)
{
    (void)state;
    struct ofi_config config = ofi_config_default();
    struct error error;
    config.levels = 3;
    config.weight_count = 2;
    config.weights[0] = 3;
    config.weights[1] = -7;
    assert_int_equal(ofi_config_check(&config, &error), STATUS_OK);
    struct ofi_engine *engine = ofi_engine_create(&config);
    struct ofi_row row;
    for (int i = 0; i < 2; i++) {
        struct book_row book = book_of(EPOCH_MS + 100 * i, GOLDEN_BIDS[i], 5, GOLDEN_ASKS[i], 5);
        ofi_engine_feed(engine, &book, &row);
    }
    assert_agrees(row.components[0], 4.0);
    assert_agrees(row.components[1], 0.0);
    assert_agrees(row.ofi_value, 4.0);
    ofi_engine_destroy(engine);
    config.weights[0] = -1;
    assert_int_equal(ofi_config_check(&config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "ofi.weights"));
}

static void saved_and_loaded_anywhere_it_goes_on_bit_for_bit(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 16;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < 20; round++) {
        struct ofi_config config = ofi_config_default();
        config.mode = round % 3;
        config.soft_clip_k = round % 2 ? 2 : 0;
        struct ofi_engine *engine = ofi_engine_create(&config), *other = ofi_engine_create(&config);
        int cut = (int)random_below(&random, 400);
        int64_t t = EPOCH_MS;
        for (int i = 0; i < 400; i++) {
            t += random_below(&random, 60) ? 100 : 5000;
            struct book_row book = random_book(&random, t);
            struct ofi_row row = {0}, resumed = {0};
            enum ofi_outcome outcome = ofi_engine_feed(engine, &book, &row);
            if (i > cut) {
                assert_int_equal(ofi_engine_feed(other, &book, &resumed), outcome);
                assert_same_row(&ofi_message, &row, &resumed);
            }
            if (i != cut)
                continue;
            struct buffer saved;
            struct reader in;
            buffer_init(&saved, 0);
            ofi_engine_save(engine, &saved);
            reader_init(&in, saved.data, saved.length);
            ofi_engine_load(other, &in);
            assert_int_equal(reader_done(&in), STATUS_OK);
            buffer_finish(&saved);
        }
        ofi_engine_destroy(engine);
        ofi_engine_destroy(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_components_of_cks),
        cmocka_unit_test(golden_components_of_mlofi),
        cmocka_unit_test(golden_components_of_legacy),
        cmocka_unit_test(golden_z_sequence_of_cks_and_mlofi),
        cmocka_unit_test(golden_z_sequence_of_legacy),
        cmocka_unit_test(swapping_the_sides_negates_every_component),
        cmocka_unit_test(scaling_the_quantities_scales_the_value),
        cmocka_unit_test(history_holds_raw_values_so_the_scale_does_not_collapse),
        cmocka_unit_test(a_gap_primes_anew_instead_of_giving_an_outlier),
        cmocka_unit_test(legacy_keeps_the_previous_book_across_a_reset),
        cmocka_unit_test(a_gap_of_exactly_the_limit_does_not_reset),
        cmocka_unit_test(a_new_utc_day_and_a_synchronised_book_reset),
        cmocka_unit_test(rejected_snapshots_leave_the_state_unchanged),
        cmocka_unit_test(unsorted_sides_are_sorted_and_bad_points_counted_once_per_side),
        cmocka_unit_test(missing_levels_are_infinitely_far_away),
        cmocka_unit_test(prices_of_different_exponents_compare_exactly),
        cmocka_unit_test(a_constant_history_uses_the_floor),
        cmocka_unit_test(soft_clip_limits_the_clipped_z_only),
        cmocka_unit_test(weights_are_cut_padded_and_normalised),
        cmocka_unit_test(saved_and_loaded_anywhere_it_goes_on_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
