#include "evaluate/platt.h"

#include "market/statistics.h"

#include <math.h>

static const double GRADIENT_MAX = 1e-9;  /* a larger one is no minimum */
static const double RIDGE = 1e-12;        /* on the Hessian's diagonal */
static const double FULL_STEP_MAX = 1e-8; /* gᵀH⁻¹g up to which the loss is too flat to compare */
static const double STEP_MIN = 1e-10;
static const double DECREASE = 1e-4;
static const double SIGMA_MIN = 1e-12;

/* problem: the rows with their targets. */
struct problem {
    const double *scores;
    const uint8_t *labels;
    size_t n;
    double target_one;
    double target_zero;
};

/* slope: gradient and Hessian of the loss at one (a, b). */
struct slope {
    double a, b;
    double aa, ab, bb;
};

double platt_probability(double a, double b, double score)
{
    return 1 / (1 + exp(a * score + b));
}

static double target_of(const struct problem *problem, size_t i)
{
    return problem->labels[i] ? problem->target_one : problem->target_zero;
}

/* -Σ[t ln p + (1-t) ln(1-p)], written so that nothing cancels or overflows. */
static double loss_at(const struct problem *problem, double a, double b)
{
    double sum = 0;
    for (size_t i = 0; i < problem->n; i++) {
        double f = a * problem->scores[i] + b, target = target_of(problem, i);
        sum += f >= 0 ? target * f + log1p(exp(-f)) : (target - 1) * f + log1p(exp(f));
    }
    return sum;
}

static struct slope slope_at(const struct problem *problem, double a, double b)
{
    struct slope slope = {0};
    for (size_t i = 0; i < problem->n; i++) {
        double score = problem->scores[i], p = platt_probability(a, b, score);
        double difference = target_of(problem, i) - p, weight = p * (1 - p);
        slope.a += difference * score;
        slope.b += difference;
        slope.aa += weight * score * score;
        slope.ab += weight * score;
        slope.bb += weight;
    }
    slope.aa += RIDGE;
    slope.bb += RIDGE;
    return slope;
}

/* The length of the step along (da, db); 0 when no length makes the loss smaller. */
static double step_length(const struct problem *problem, const struct platt *at, const struct slope *slope,
                          double da, double db)
{
    double along = slope->a * da + slope->b * db; /* -gᵀH⁻¹g */
    if (-along <= FULL_STEP_MAX)
        return 1;
    double loss = loss_at(problem, at->a, at->b);
    for (double step = 1; step >= STEP_MIN; step /= 2)
        if (loss_at(problem, at->a + step * da, at->b + step * db) < loss + DECREASE * step * along)
            return step;
    return 0;
}

static struct platt minimise(const struct problem *problem, double b)
{
    const struct platt failed = {.state = CALIBRATION_NOT_CONVERGED};
    struct platt at = {.a = 0, .b = b, .state = CALIBRATION_ACTIVE};
    for (int i = 0; i < PLATT_ITERATIONS_MAX; i++) {
        struct slope slope = slope_at(problem, at.a, at.b);
        if (fmax(fabs(slope.a), fabs(slope.b)) <= GRADIENT_MAX)
            return at;
        double determinant = slope.aa * slope.bb - slope.ab * slope.ab;
        double da = -(slope.bb * slope.a - slope.ab * slope.b) / determinant;
        double db = -(slope.aa * slope.b - slope.ab * slope.a) / determinant;
        double step = isfinite(da) && isfinite(db) ? step_length(problem, &at, &slope, da, db) : 0;
        if (step == 0)
            return failed;
        at.a += step * da;
        at.b += step * db;
    }
    return failed;
}

static size_t ones_of(const uint8_t *labels, size_t n)
{
    size_t ones = 0;
    for (size_t i = 0; i < n; i++)
        ones += labels[i] != 0;
    return ones;
}

struct platt platt_fit(const double *scores, const uint8_t *labels, size_t n)
{
    double ones = (double)ones_of(labels, n), zeros = (double)n - ones;
    const struct problem problem = {
        .scores = scores,
        .labels = labels,
        .n = n,
        .target_one = (ones + 1) / (ones + 2),
        .target_zero = 1 / (zeros + 2),
    };
    return minimise(&problem, log((zeros + 1) / (ones + 1)));
}

struct platt platt_train(const double *scores, const uint8_t *labels, size_t n)
{
    size_t ones = ones_of(labels, n);
    double sigma = statistics_sigma(scores, n, statistics_mean(scores, n));
    if (n < PLATT_ROWS_MIN || ones < PLATT_CLASS_MIN || n - ones < PLATT_CLASS_MIN || sigma < SIGMA_MIN)
        return (struct platt){.state = CALIBRATION_INSUFFICIENT};
    return platt_fit(scores, labels, n);
}
