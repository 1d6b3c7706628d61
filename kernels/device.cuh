// What all kernels share: how threads are told apart, four neighbours at once, sums of a block.
//
// The rules they keep, so that the same text runs on any GPU and, for tests, on a CPU:
//   - no system headers; 64-bit indices; right for any number of blocks of BLOCK threads;
//   - a sum goes to a partial of its tile first and `finish_*` add these in a fixed order, so
//     results do not depend on the number of blocks and no floating-point atomics are needed;
//   - shared memory is the launch's, as many bytes as the table of kernels says.
#pragma once

using Index = long long;

constexpr int LANES = 32;
constexpr int WARPS = 8;
constexpr int BLOCK = LANES * WARPS;
constexpr int QUAD = 4;
constexpr int TILE_COLUMNS = LANES * QUAD;  // what a warp takes of a row at once
constexpr unsigned EVERYONE = 0xffffffffu;

// Places in the clock's counters.
constexpr int EPOCH = 0, START = 1, STEP = 2, ROW_BASE = 3;

extern __shared__ double shared_memory[];

__device__ inline Index thread_number() { return Index(blockIdx.x) * blockDim.x + threadIdx.x; }

__device__ inline Index thread_count() { return Index(gridDim.x) * blockDim.x; }

__device__ inline int lane() { return int(threadIdx.x) % LANES; }

__device__ inline int warp() { return int(threadIdx.x) / LANES; }

__device__ inline Index smaller(Index a, Index b) { return a < b ? a : b; }

__device__ inline Index groups_of(Index count, Index size) { return (count + size - 1) / size; }

// Four neighbours, moved by one instruction where they are aligned (two for doubles).
template <typename T>
struct alignas(QUAD * sizeof(T) < 16 ? QUAD * sizeof(T) : 16) Quad {
    T at[QUAD];
};

// Whether each row of such matrices consists of aligned quads; `columns` may be a vector's length.
template <typename... T>
__device__ inline bool in_quads(Index columns, const T*... matrices) {
    return columns % QUAD == 0 &&
           (... && ((unsigned long long)matrices % alignof(Quad<T>) == 0));
}

// Read four neighbours, or as many as are left and zeros for the rest; at once if `whole`.
template <typename T>
__device__ inline Quad<T> load(const T* from, Index left, bool whole) {
    if (whole) return *reinterpret_cast<const Quad<T>*>(from);
    Quad<T> quad;
    for (int i = 0; i < QUAD; ++i) quad.at[i] = i < left ? from[i] : T(0);
    return quad;
}

template <typename T>
__device__ inline void store(const Quad<T>& quad, T* to, Index left, bool whole) {
    if (whole) {
        *reinterpret_cast<Quad<T>*>(to) = quad;
        return;
    }
    for (int i = 0; i < QUAD; ++i) {
        if (i < left) to[i] = quad.at[i];
    }
}

// Where a quad of a matrix (m, n) stands: its row, its first column and how many columns are left.
struct Place {
    Index row, column, left, offset;
};

__device__ inline Place place_of(Index quad, Index columns) {
    const Index groups = groups_of(columns, QUAD);
    Index row;
    if (quad <= 0xffffffff && groups <= 0xffffffff) {  // 32-bit division is several times faster
        row = unsigned(quad) / unsigned(groups);
    } else {
        row = quad / groups;
    }
    const Index column = (quad - row * groups) * QUAD;
    return {row, column, columns - column, row * columns + column};
}

__device__ inline Index quads_of(Index rows, Index columns) {
    return rows * groups_of(columns, QUAD);
}

// Return the sum of every thread's value to all threads of the block, added in a fixed order.
__device__ inline double block_sum(double value) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(EVERYONE, value, distance);
    }
    if (lane() == 0) shared_memory[warp()] = value;
    __syncthreads();
    double total = 0.0;
    for (int i = 0; i < WARPS; ++i) total += shared_memory[i];
    __syncthreads();  // before shared memory is used again
    return total;
}

// Tiles of a matrix (m, n): `strip` rows of TILE_COLUMNS columns. A lane has a quad of columns, a
// warp every WARPS-th row of the strip.
struct Tile {
    Index strip, first_row, end_row, column, left;
};

__device__ inline Index tiles_of(Index rows, Index columns, Index strip) {
    return groups_of(rows, strip) * groups_of(columns, TILE_COLUMNS);
}

__device__ inline Tile tile_of(Index number, Index rows, Index columns, Index strip) {
    const Index across = groups_of(columns, TILE_COLUMNS);
    const Index down = number / across;
    const Index column = (number - down * across) * TILE_COLUMNS + lane() * QUAD;
    const Index left = column < columns ? columns - column : 0;
    return {down, down * strip + warp(), smaller(rows, (down + 1) * strip), column, left};
}

// Return the weight of a row: 1 where rows have none.
template <typename Real>
__device__ inline Real weight_of(const Real* row_weights, Index row) {
    return row_weights != nullptr ? row_weights[row] : Real(1);
}

// Return the sum of a column's partials, `stride` apart, in the order in which `finish_columns` adds
// them: each warp's strips, then the warps.
template <typename T>
__device__ inline T sum_of_strips(const T* partials, Index strips, Index stride) {
    T sums[WARPS] = {};
    for (Index strip = 0; strip < strips; strip += WARPS) {
#pragma unroll  // as many reads on their way at once
        for (int i = 0; i < WARPS; ++i) {
            if (strip + i < strips) sums[i] += partials[(strip + i) * stride];
        }
    }
    T total = sums[0];
    for (int i = 1; i < WARPS; ++i) total += sums[i];
    return total;
}

// Add what the warps have of a tile's column sums and write them to row `strip` of the partials
// (strips, columns). All threads of the block must come here.
template <typename T>
__device__ inline void store_column_sums(
    const Quad<T>& sums, const Tile& tile, T* partials, Index columns
) {
    T* shared = reinterpret_cast<T*>(shared_memory);
    for (int i = 0; i < QUAD; ++i) shared[warp() * TILE_COLUMNS + lane() * QUAD + i] = sums.at[i];
    __syncthreads();
    const Index first = tile.column - lane() * QUAD;
    const Index column = first + threadIdx.x;
    if (threadIdx.x < TILE_COLUMNS && column < columns) {
        T total = 0;
        for (int i = 0; i < WARPS; ++i) total += shared[i * TILE_COLUMNS + threadIdx.x];
        partials[tile.strip * columns + column] = total;
    }
    __syncthreads();  // before shared memory is used again
}
