// Losses of an output from its z = product + bias: what they add to a row's sum, and their errors.
//
// An error is the term's derivative by z, up to the loss's factor: of the output times f', or where
// the loss has an activation of its own output - target.
#pragma once
#include "activations.cuh"

__device__ inline float logarithm(float x) { return logf(x); }
__device__ inline double logarithm(double x) { return log(x); }

template <typename Real>
struct Outcome {
    Real output, term, error;
};

// (x' - x)^2 for the losses mse and sse.
template <typename F>
struct SquaredError {
    template <typename Real>
    __device__ static Outcome<Real> of(Real z, Real target, Real) {
        const Real output = F::value(z), error = output - target;
        return {output, error * error, error * F::slope(z, output)};
    }
};

// Binary cross-entropy of a sigmoid output, from the logit: max(z, 0) - z x + log(1 + e^-|z|).
struct CrossEntropy {
    template <typename Real>
    __device__ static Outcome<Real> of(Real z, Real target, Real) {
        const Real e = exponential(-magnitude(z));
        const Real large = Real(1) / (Real(1) + e);
        const Real positive = z < Real(0) ? Real(0) : z;  // keeps NaN
        const Real output = z < Real(0) ? e * large : large;
        return {output, positive - z * target + log_of_one_plus(e), output - target};
    }
};

// e^2 / 2 of an error within +-parameter, beyond that linear.
template <typename F>
struct Huber {
    template <typename Real>
    __device__ static Outcome<Real> of(Real z, Real target, Real parameter) {
        const Real output = F::value(z), error = output - target;
        const Real inside = error < -parameter ? -parameter : error > parameter ? parameter : error;
        return {output, inside * (error - inside * Real(0.5)), inside * F::slope(z, output)};
    }
};

// Half the Poisson deviance, from the logarithm of the rate: x (log x - z) + e^z - x, 0 log 0 = 0.
struct HalfDeviance {
    template <typename Real>
    __device__ static Outcome<Real> of(Real z, Real target, Real) {
        const Real output = exponential(z), error = output - target;
        const Real positive = target > Real(0) ? target : Real(1);
        return {output, target * (logarithm(positive) - z) + error, error};
    }
};

// A loss of a row's products output.target, output.output and target.target, and its derivative
// of_target target + of_output output.
struct RowOutcome {
    double term, of_target, of_output;
};

// 1 less the cosine between the two; rows of zeros have none, and stay where they are.
struct CosineDistance {
    __device__ static RowOutcome of(double product, double own, double size, double) {
        const double lengths = square_root(own) * square_root(size);
        if (lengths == 0.0) return {1.0, 0.0, 0.0};
        const double cosine = product / lengths;
        return {1.0 - cosine, -1.0 / lengths, cosine / own};
    }
};
