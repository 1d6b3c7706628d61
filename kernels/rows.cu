// From rows of the data to batches, and back to the data's own units.
//
//   gather           out[r, c] = clip((source[place of r, c] - center[c]) * factor[c], low, high)
//   corrupt          noisy[r, c] = x[r, c] with noise, by the random word of (row number, column)
//   gather_corrupt   both at once: the clean rows are read from the source and never again
//   dropout_mask     mask[r, c] = 0 where the word < threshold, else kept; or mask *= that
//   unscale          out[r, c] = x[r, c] / factor[c] + center[c]
//
// Shapes: source (anything, n); out, noisy, x, mask (m, n); center, factor, low, high (n,).
// The place of row r in the source is places[counters[START] + first + r]; its number, which random
// words are drawn by, numbers[counters[START] + first + r] + counters[ROW_BASE].
// A thread takes four columns: one draw of Philox, one aligned access where columns allow it.
// Scaling is computed in `Number`: the common type of source and batch, or double where that type
// would round the center so much that it shows beside the differences of the values.
#include "device.cuh"
#include "activations.cuh"
#include "philox.cuh"

constexpr unsigned NOISE_STREAM = 1;

template <typename T>
struct Noise {
    T level;
    unsigned long long threshold;
    const T *low, *high;
};

struct Gaussian {
    template <typename T>
    __device__ static void apply(
        Quad<T>& x, const Quad<unsigned>& words, const Noise<T>& noise, const Place&
    ) {
        T normals[QUAD];
        two_normals(words.at[0], words.at[1], normals, normals + 1);
        two_normals(words.at[2], words.at[3], normals + 2, normals + 3);
        for (int i = 0; i < QUAD; ++i) x.at[i] += noise.level * normals[i];
    }
};

struct ClippedGaussian {
    template <typename T>
    __device__ static void apply(
        Quad<T>& x, const Quad<unsigned>& words, const Noise<T>& noise, const Place& at
    ) {
        Gaussian::apply(x, words, noise, at);
        for (int i = 0; i < QUAD && i < at.left; ++i) {
            const T low = noise.low[at.column + i], high = noise.high[at.column + i];
            x.at[i] = x.at[i] < low ? low : x.at[i] > high ? high : x.at[i];  // keeps NaN
        }
    }
};

struct Masking {
    template <typename T>
    __device__ static void apply(
        Quad<T>& x, const Quad<unsigned>& words, const Noise<T>& noise, const Place&
    ) {
        for (int i = 0; i < QUAD; ++i) {
            if (words.at[i] < noise.threshold) x.at[i] = T(0);
        }
    }
};

struct SaltPepper {
    template <typename T>
    __device__ static void apply(
        Quad<T>& x, const Quad<unsigned>& words, const Noise<T>& noise, const Place& at
    ) {
        for (int i = 0; i < QUAD; ++i) {
            if (i >= at.left || words.at[i] >= noise.threshold) continue;
            const bool lowest = words.at[i] < noise.threshold / 2;
            x.at[i] = (lowest ? noise.low : noise.high)[at.column + i];
        }
    }
};

template <typename Source, typename Number, typename Real>
struct Rows {
    const Index* places;
    Index first;  // place in `places` of the batch's first row
    const Source* source;
    const Number *center, *factor;
    Number low, high;
    Index columns;
    bool whole;

    __device__ Quad<Real> scaled(const Place& at) const {
        const Index row = places[first + at.row];
        const Quad<Source> x = load(source + row * columns + at.column, at.left, whole);
        const Quad<Number> middle = load(center + at.column, at.left, whole);
        const Quad<Number> by = load(factor + at.column, at.left, whole);
        Quad<Real> out;
        for (int i = 0; i < QUAD; ++i) {
            const Number value = (Number(x.at[i]) - middle.at[i]) * by.at[i];
            out.at[i] = Real(value < low ? low : value > high ? high : value);  // keeps NaN
        }
        return out;
    }
};

template <typename Source, typename Number, typename Real>
__global__ void gather(
    const Index* places, const Index* counters, Index first, const Source* source,
    const Number* center, const Number* factor, Number low, Number high, Real* out, Index rows,
    Index columns
) {
    const bool whole = in_quads(columns, source, center, factor, out);
    const Rows<Source, Number, Real> from = {
        places, counters[START] + first, source, center, factor, low, high, columns, whole
    };
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        store(from.scaled(at), out + at.offset, at.left, whole);
    }
}

template <typename Real, typename Kind>
__global__ void corrupt(
    const Index* numbers, const Index* counters, Index first, unsigned long long seed, Real level,
    unsigned long long threshold, const Real* low, const Real* high, const Real* x, Real* noisy,
    Index rows, Index columns
) {
    const bool whole = in_quads(columns, x, noisy);
    const Noise<Real> noise = {level, threshold, low, high};
    const Draw draw = draw_at(seed, numbers, counters, first);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        Quad<Real> quad = load(x + at.offset, at.left, whole);
        const auto words = draw.words(at, NOISE_STREAM);
        Kind::apply(quad, words, noise, at);
        store(quad, noisy + at.offset, at.left, whole);
    }
}

template <typename Source, typename Number, typename Real, typename Kind>
__global__ void gather_corrupt(
    const Index* places, const Index* numbers, const Index* counters, Index first,
    const Source* source, const Number* center, const Number* factor, Number low, Number high,
    unsigned long long seed, Real level, unsigned long long threshold, const Real* lowest,
    const Real* highest, Real* out, Real* noisy, Index rows, Index columns
) {
    const bool whole = in_quads(columns, source, center, factor, out, noisy);
    const Rows<Source, Number, Real> from = {
        places, counters[START] + first, source, center, factor, low, high, columns, whole
    };
    const Noise<Real> noise = {level, threshold, lowest, highest};
    const Draw draw = draw_at(seed, numbers, counters, first);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        Quad<Real> quad = from.scaled(at);
        store(quad, out + at.offset, at.left, whole);
        const auto words = draw.words(at, NOISE_STREAM);
        Kind::apply(quad, words, noise, at);
        store(quad, noisy + at.offset, at.left, whole);
    }
}

template <typename Real>
__global__ void dropout_mask(
    const Index* numbers, const Index* counters, Index first, unsigned long long seed,
    unsigned stream, unsigned long long threshold, Real kept, bool combine, Real* mask, Index rows,
    Index columns
) {
    const bool whole = in_quads(columns, mask);
    const Draw draw = draw_at(seed, numbers, counters, first);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        const auto words = draw.words(at, stream);
        Quad<Real> quad;
        for (int j = 0; j < QUAD; ++j) quad.at[j] = words.at[j] < threshold ? Real(0) : kept;
        if (combine) {
            const Quad<Real> before = load(mask + at.offset, at.left, whole);
            for (int j = 0; j < QUAD; ++j) quad.at[j] *= before.at[j];
        }
        store(quad, mask + at.offset, at.left, whole);
    }
}

template <typename Real, typename Number>
__global__ void unscale(
    const Real* x, const Number* center, const Number* factor, Number* out, Index rows,
    Index columns
) {
    const bool whole = in_quads(columns, x, center, factor, out);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        const Quad<Real> scaled = load(x + at.offset, at.left, whole);
        const Quad<Number> middle = load(center + at.column, at.left, whole);
        const Quad<Number> by = load(factor + at.column, at.left, whole);
        Quad<Number> quad;
        for (int j = 0; j < QUAD; ++j) {
            quad.at[j] = Number(scaled.at[j]) / by.at[j] + middle.at[j];
        }
        store(quad, out + at.offset, at.left, whole);
    }
}
