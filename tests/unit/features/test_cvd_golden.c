// links: features evaluate market proto base cmocka
/* The golden tables of golden.md §2. */
#include "cvd_fixture.h"

#include "market_rows.h"
#include "services/features/cvd.h"

static void assert_printed(double value, double printed, double unit)
{
    if (fabs(value - printed) > 0.51 * unit)
        fail_msg("%.17g, printed as %.12f", value, printed);
}

static void golden_table_of_v2_class(void **state)
{
    (void)state;
    static const struct {
        int i;
        double cvd;
    } LEVELS[] = {{18, 4.6},  {19, 6.0},  {20, 5.5},  {49, 6.2},  {50, 7.3},  {69, 12.5}, {70, 11.0},
                  {71, 11.6}, {72, 13.6}, {90, 13.0}, {91, 12.0}, {92, 12.1}, {93, 13.6}, {119, 17.9}};
    struct cvd_config config = config_v2_class();
    struct cvd_row rows[GOLDEN_TRADES];
    golden_rows(&config, rows);
    for (size_t i = 0; i < sizeof LEVELS / sizeof LEVELS[0]; i++)
        assert_agrees(rows[LEVELS[i].i].cvd, LEVELS[i].cvd);

    assert_no_value(rows[18].z_cvd);
    assert_int_equal(rows[18].warmup, 1);
    assert_agrees(rows[19].z_raw, 12.058764768714411);
    assert_agrees(rows[19].z_cvd, 2.0);
    assert_int_equal(rows[19].floor_used, 0);
    assert_agrees(rows[20].z_raw, -4.286068774501818);
    assert_agrees(rows[20].z_cvd, -2.0);
    assert_int_equal(rows[20].floor_used, 0);

    /* Facts of unsaturated EWMA values hold to 2e-8 relative only: they come of floating seconds. */
    const struct {
        double value, fact;
    } UNSATURATED[] = {
        {rows[19].z_raw, 12.058765015889},    {rows[19].scale, 0.116098124323},
        {rows[20].z_raw, -4.286068861013},    {rows[20].scale, 0.116657015138},
        {rows[50].ewma_fast, 0.328580689021}, {rows[50].ewma_slow, 0.125306773957},
        {rows[50].ewma_mix, 0.159863339518},
    };
    for (size_t i = 0; i < sizeof UNSATURATED / sizeof UNSATURATED[0]; i++)
        assert_true(fabs(UNSATURATED[i].value / UNSATURATED[i].fact - 1) < 3e-8);
    assert_printed(rows[50].boost, 1.488231982272, 1e-12);

    /* Facts, as printed. */
    static const struct {
        int i;
        double z_raw, scale, scale_unit;
    } FLOORED[] = {
        {49, -0.457265551411, 4.373826092582, 1e-12}, {50, 0.266597731406, 4.126066618035, 1e-12},
        {69, -0.030250549575, 3.305725066305, 1e-12}, {72, 0.623046755550, 3.210031963389, 1e-12},
        {93, 0.517512091670, 2.898483, 1e-6},         {119, -0.379508867225, 2.898483, 1e-6},
    };
    for (size_t i = 0; i < sizeof FLOORED / sizeof FLOORED[0]; i++) {
        const struct cvd_row *row = &rows[FLOORED[i].i];
        assert_printed(row->z_raw, FLOORED[i].z_raw, 1e-12);
        assert_printed(row->scale, FLOORED[i].scale, FLOORED[i].scale_unit);
        assert_true(row->z_cvd == row->z_raw);
        assert_int_equal(row->floor_used, 1);
    }
    static const int SILENCED[] = {70, 71, 90, 91, 92};
    for (size_t i = 0; i < 5; i++) {
        assert_no_value(rows[SILENCED[i]].z_cvd);
        assert_int_equal(rows[SILENCED[i]].frozen, 1);
    }
    assert_agrees(rows[50].ewma_fast, 0.3285806968932863);
    assert_agrees(rows[50].ewma_slow, 0.12530677496041104);
    assert_agrees(rows[50].ewma_mix, 0.15986334168899985);
    assert_agrees(rows[50].tps, 0.85);
    assert_agrees(rows[50].boost, 1.4882319822723054);
    assert_printed(rows[119].ema_cvd, 18.546318132738, 1e-12);
    assert_agrees(rows[119].tps, 2.0);
}

/* Lesson 20: the first trade does not fix the scale for minutes. */
static void golden_table_of_s3(void **state)
{
    (void)state;
    static const struct {
        int i;
        double z_raw, scale, fast, slow, mix;
    } ROWS[] = {
        {49, -0.43186190966588817, 4.631109980380786, 1.1624499347441024, 1.1569438280805628,
         1.157555617709845},
        {50, 0.2517867463283326, 4.368776419095501, 1.1611133842093386, 1.15584622734015, 1.1564431717853247},
        {69, -0.02856996348761617, 3.500179481970484, 1.1664141150829834, 1.1620588150988087,
         1.1627363062074583},
        {72, 0.5884330469080155, 3.3988573729997227, 1.2219221621797125, 1.2109633307934848,
         1.2127410967739172},
        {93, 0.48876141991057626, 3.068982, 1.313529463773181, 1.2896931124459452, 1.2944603827113923},
        {119, -0.358425041267756, 3.068982, 1.2883470823073406, 1.2739651390858793, 1.2768415277301717},
    };
    struct cvd_config config = cvd_config_default();
    struct cvd_row rows[GOLDEN_TRADES];
    golden_rows(&config, rows);
    for (int i = 0; i < 49; i++) {
        assert_int_equal(rows[i].warmup, 1);
        assert_no_value(rows[i].z_cvd);
        assert_no_value(rows[i].scale);
        assert_no_value(rows[i].ewma_mix);
        assert_int_equal(rows[i].floor_used, FIELD_NULL_BOOL);
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const struct cvd_row *row = &rows[ROWS[i].i];
        assert_agrees(row->z_raw, ROWS[i].z_raw);
        assert_agrees(row->z_cvd, ROWS[i].z_raw);
        assert_agrees(row->scale, ROWS[i].scale);
        assert_agrees(row->ewma_fast, ROWS[i].fast);
        assert_agrees(row->ewma_slow, ROWS[i].slow);
        assert_agrees(row->ewma_mix, ROWS[i].mix);
        assert_int_equal(row->floor_used, 1);
    }
    assert_printed(rows[70].scale, 3.465597315633, 2e-12);
    assert_printed(rows[71].scale, 3.431833388136, 2e-12);
    static const int SILENCED[] = {70, 71, 90, 91, 92};
    for (size_t i = 0; i < 5; i++) {
        assert_no_value(rows[SILENCED[i]].z_cvd);
        assert_int_equal(rows[SILENCED[i]].frozen, 1);
        assert_int_equal(rows[SILENCED[i]].warmup, 0);
    }
    struct cvd_config other = config_v2_class();
    struct cvd_row same_cvd[GOLDEN_TRADES];
    golden_rows(&other, same_cvd);
    for (int i = 0; i < GOLDEN_TRADES; i++)
        assert_agrees(rows[i].cvd, same_cvd[i].cvd);
    for (int i = 49; i < 120; i++)
        assert_int_equal(rows[i].floor_used, 1);
    assert_agrees(rows[120].cvd, 57.9);
    assert_agrees(rows[120].scale, 3.202416);
    assert_agrees(rows[120].z_raw, 12.490569619936949);
    assert_agrees(rows[120].z_cvd, 8.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_table_of_v2_class),
        cmocka_unit_test(golden_table_of_s3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
