// Sums, in two passes: partials of tiles, then these in a fixed order.
//
//   column_sums     partials[s, c] = sum over the rows of strip s of w a[r, c], in double
//   sum_of          partials[t] = sum over tile t of w |x|, x^2, or x y, in double
//   finish_columns  out[c] = (out[c] +) sum over s of columns[s, c]
//   finish_total    total = (total +) factor * sum over t of partials[t]
//   finish_all      several of these, and of clocks that advance, in one launch
//
// Shapes: a (m, n); columns (strips, n) with rows `stride` apart; out (n,); partials (tiles,). w is
// row_weights (m,), of the row a[r] or of each `columns` elements of x, or 1 where that is null. The
// table of `finish_all` is an array of Work, whose groups (LANES columns, or a whole total or clock)
// are shared out to the blocks. No two of its works write the same memory.
#include "device.cuh"
#include "activations.cuh"
#include "clock.cuh"

constexpr Index SUM_TILE = BLOCK * QUAD * 4;  // elements
constexpr int SUM_PARTS = int(SUM_TILE / (BLOCK * QUAD));  // each a quad of every thread

template <typename Real>
__global__ void column_sums(
    const Real* a, const Real* row_weights, Index strip, double* partials, Index rows, Index columns
) {
    const bool whole = in_quads(columns, a);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        Quad<double> sums = {};
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Quad<Real> quad = load(a + row * columns + tile.column, tile.left, whole);
            const double weight = weight_of(row_weights, row);
            for (int j = 0; j < QUAD; ++j) sums.at[j] += weight * double(quad.at[j]);
        }
        store_column_sums(sums, tile, partials, columns);
    }
}

struct Absolute {
    static constexpr bool OF_TWO = false;
    __device__ static double of(double x, double) { return magnitude(x); }
};
struct Square {
    static constexpr bool OF_TWO = false;
    __device__ static double of(double x, double) { return x * x; }
};
struct Product {
    static constexpr bool OF_TWO = true;
    __device__ static double of(double x, double y) { return x * y; }
};

template <typename Real, typename Term>
__global__ void sum_of(
    const Real* x, const Real* y, const Real* row_weights, double* partials, Index count,
    Index columns
) {
    const bool aligned = in_quads(QUAD, x, y);
    for (Index i = blockIdx.x; i < groups_of(count, SUM_TILE); i += gridDim.x) {
        double sum = 0.0;
#pragma unroll  // as many reads on their way at once
        for (int part = 0; part < SUM_PARTS; ++part) {
            const Index at = i * SUM_TILE + (part * BLOCK + Index(threadIdx.x)) * QUAD;
            const Index left = count - at;
            const bool whole = aligned && left >= QUAD;
            const Quad<Real> one = load(x + at, left, whole);
            Quad<Real> other = {};
            if constexpr (Term::OF_TWO) other = load(y + at, left, whole);
            for (int j = 0; j < QUAD; ++j) {
                double term = Term::of(one.at[j], other.at[j]);
                if (row_weights && j < left) term *= double(row_weights[(at + j) / columns]);
                sum += term;
            }
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) partials[i] = sum;
    }
}

// Add the strips of the LANES columns of a group, each warp every WARPS-th strip. All threads of the
// block must come here.
template <typename T>
__device__ inline void add_strips(
    const T* columns, Index strips, Index stride, T* out, bool add_to_out, Index width, Index group
) {
    T* shared = reinterpret_cast<T*>(shared_memory);
    const Index column = group * LANES + lane();
    T sum = 0;
    for (Index strip = warp(); strip < strips && column < width; strip += WARPS) {
        sum += columns[strip * stride + column];
    }
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (warp() == 0 && column < width) {
        for (int j = 1; j < WARPS; ++j) sum += shared[j * LANES + lane()];
        out[column] = add_to_out ? out[column] + sum : sum;
    }
    __syncthreads();  // before shared memory is used again
}

// Add the partial sums of tiles. All threads of the block must come here.
__device__ inline void add_tiles(
    const double* partials, Index tiles, double factor, double* total, bool add_to_total
) {
    double sum = 0.0;
    for (Index i = threadIdx.x; i < tiles; i += blockDim.x) sum += partials[i];
    sum = block_sum(sum) * factor;
    if (threadIdx.x == 0) *total = add_to_total ? *total + sum : sum;
}

template <typename T>
__global__ void finish_columns(
    const T* columns, Index strips, Index stride, T* out, bool add_to_out, Index width
) {
    for (Index i = blockIdx.x; i < groups_of(width, LANES); i += gridDim.x) {
        add_strips(columns, strips, stride, out, add_to_out, width, i);
    }
}

__global__ void finish_total(
    const double* partials, Index tiles, double factor, double* total, bool add_to_total
) {
    if (blockIdx.x > 0) return;
    add_tiles(partials, tiles, factor, total, add_to_total);
}

// A piece of work of `finish_all`, in fields of 8 bytes; `cuda_deferred` writes the table.
enum Kind : Index { FLOAT_COLUMNS, DOUBLE_COLUMNS, TOTAL, CLOCK };

struct Work {
    Index kind, first_group;
    void* from;
    void* to;
    Index strips, stride, width, adds;
    double factor;

    template <typename T>
    __device__ void add_columns(Index group) const {
        add_strips(
            static_cast<const T*>(from), strips, stride, static_cast<T*>(to), adds != 0, width,
            group
        );
    }
};

__global__ void finish_all(const Index* table, Index works, Index groups) {
    const Work* all = reinterpret_cast<const Work*>(table);
    for (Index i = blockIdx.x; i < groups; i += gridDim.x) {
        Index number = works - 1;
        while (all[number].first_group > i) --number;
        const Work& work = all[number];
        const Index group = i - work.first_group;
        if (work.kind == FLOAT_COLUMNS) {
            work.add_columns<float>(group);
        } else if (work.kind == DOUBLE_COLUMNS) {
            work.add_columns<double>(group);
        } else if (work.kind == TOTAL) {
            const double* partials = static_cast<const double*>(work.from);
            double* total = static_cast<double*>(work.to);
            add_tiles(partials, work.width, work.factor, total, work.adds != 0);
        } else {
            double* corrections = static_cast<double*>(work.from);
            advance_clock(static_cast<Index*>(work.to), work.width, corrections);
        }
    }
}
