// Philox4x32-10: random words addressed by what they are for.
//
// key = seed (low, high word); counter = (column / 4, row number, epoch, stream); the word of a
// column is word column % 4.
//
// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011.
#pragma once

__device__ inline unsigned high_word(unsigned a, unsigned b) {
    return unsigned((unsigned long long)a * b >> 32);
}

// The words of four neighbouring columns, of which `column` is the first.
__device__ inline Quad<unsigned> random_words(
    unsigned long long seed, Index column, Index row, Index epoch, unsigned stream
) {
    unsigned c0 = unsigned(column / QUAD), c1 = unsigned(row), c2 = unsigned(epoch), c3 = stream;
    unsigned k0 = unsigned(seed), k1 = unsigned(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const unsigned high_0 = high_word(0xD2511F53u, c0), low_0 = 0xD2511F53u * c0;
        const unsigned high_1 = high_word(0xCD9E8D57u, c2), low_1 = 0xCD9E8D57u * c2;
        c0 = high_1 ^ c1 ^ k0;
        c1 = low_1;
        c2 = high_0 ^ c3 ^ k1;
        c3 = low_0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// Draws words for the rows of a batch.
struct Draw {
    unsigned long long seed;
    const Index* numbers;  // of the batch's rows, before the row base is added
    Index epoch, row_base;

    __device__ Quad<unsigned> words(const Place& at, unsigned stream) const {
        return random_words(seed, at.column, numbers[at.row] + row_base, epoch, stream);
    }
};

__device__ inline Draw draw_at(
    unsigned long long seed, const Index* numbers, const Index* counters, Index first
) {
    return {seed, numbers + counters[START] + first, counters[EPOCH], counters[ROW_BASE]};
}

__device__ inline void sine_and_cosine_of_pi(float x, float* sine, float* cosine) {
    sincospif(x, sine, cosine);
}
__device__ inline void sine_and_cosine_of_pi(double x, double* sine, double* cosine) {
    sincospi(x, sine, cosine);
}
__device__ inline float logarithm(float x) { return logf(x); }
__device__ inline double logarithm(double x) { return log(x); }

// Two normals of two words: G. Box, M. Muller, 1958, with u = (word + 1/2) / 2^32.
template <typename T>
__device__ inline void two_normals(unsigned first, unsigned second, T* a, T* b) {
    constexpr double UNIT = 1.0 / 4294967296.0;
    const T u = T((double(first) + 0.5) * UNIT), v = T((double(second) + 0.5) * (2.0 * UNIT));
    const T radius = square_root(T(-2) * logarithm(u));
    T sine, cosine;
    sine_and_cosine_of_pi(v, &sine, &cosine);
    *a = radius * cosine;
    *b = radius * sine;
}
