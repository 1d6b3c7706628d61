// Deltas of four neighbours, from what is in registers: shared by kernels that read z or delta from
// memory and by those that have just computed them.
#pragma once
#include "losses.cuh"

// Turn z, less its bias `shift`, into factor w times the loss's error, add that to sums and return w
// times the loss of the columns that are left.
template <typename Loss, typename Real>
__device__ inline double output_delta_of(
    Quad<Real>& z, const Quad<Real>& shift, const Quad<Real>& target, Real weight, Real factor,
    Real parameter, Index left, Quad<Real>& sums
) {
    const Real own_factor = factor * weight;
    Real terms = 0;
    for (int j = 0; j < QUAD; ++j) {
        const auto outcome = Loss::of(z.at[j] + shift.at[j], target.at[j], parameter);
        z.at[j] = outcome.error * own_factor;
        sums.at[j] += z.at[j];
        if (j < left) terms += outcome.term;
    }
    return double(terms) * double(weight);
}

template <typename Real>
__device__ inline Real sign_of(Real a) {
    return a > Real(0) ? Real(1) : a < Real(0) ? Real(-1) : a;  // keeps 0 and NaN
}

// What a hidden layer's delta is made of, beside the product with the deltas behind it: matrices
// (m, n) that `hidden_delta` describes.
template <typename Real>
struct Hidden {
    const Real *z, *a, *mask, *slope, *row_weights;
    Real l1;
    Index columns;
    bool whole, whole_slope;

    __device__ Hidden(
        const Real* delta, const Real* z, const Real* a, const Real* mask, const Real* slope,
        const Real* row_weights, Real l1, Index columns
    )
        : z(z), a(a), mask(mask), slope(slope), row_weights(row_weights), l1(l1), columns(columns),
          whole(in_quads(columns, delta, z, a, mask)), whole_slope(in_quads(columns, slope)) {}

    // Return the penalty's derivative by some columns.
    __device__ Quad<Real> penalty(Index column, Index left) const {
        Quad<Real> none = {};
        return slope && left ? load(slope + column, left, whole_slope) : none;
    }

    // Turn the product into the delta, and add that to sums.
    template <typename F>
    __device__ void finish(
        Quad<Real>& delta, Index row, Index column, Index left, const Quad<Real>& penalty,
        Quad<Real>& sums
    ) const {
        const Index at = row * columns + column;
        const Quad<Real> shifted = load(z + at, left, whole), active = load(a + at, left, whole);
        const Real weight = weight_of(row_weights, row), size = weight * l1;
        Quad<Real> kept;
        if (mask) kept = load(mask + at, left, whole);
        for (int j = 0; j < QUAD; ++j) {
            Real value = delta.at[j];
            if (mask) value *= kept.at[j];
            value += weight * penalty.at[j];
            if (l1 != Real(0)) value += size * sign_of(active.at[j]);
            delta.at[j] = value * F::slope(shifted.at[j], active.at[j]);
            sums.at[j] += delta.at[j];
        }
    }
};
