// Activations f and their derivatives f', by z and a = f(z); and functions of both types.
#pragma once

__device__ inline float exponential(float x) { return expf(x); }
__device__ inline double exponential(double x) { return exp(x); }
__device__ inline float exponential_less_one(float x) { return expm1f(x); }
__device__ inline double exponential_less_one(double x) { return expm1(x); }
__device__ inline float log_of_one_plus(float x) { return log1pf(x); }
__device__ inline double log_of_one_plus(double x) { return log1p(x); }
__device__ inline float hyperbolic_tangent(float x) { return tanhf(x); }
__device__ inline double hyperbolic_tangent(double x) { return tanh(x); }
__device__ inline float normal_cdf(float x) { return 0.5f * erfcf(-0.70710678f * x); }
__device__ inline double normal_cdf(double x) { return 0.5 * erfc(-0.70710678118654752 * x); }
__device__ inline float magnitude(float x) { return fabsf(x); }
__device__ inline double magnitude(double x) { return fabs(x); }
__device__ inline float square_root(float x) { return sqrtf(x); }
__device__ inline double square_root(double x) { return sqrt(x); }

struct Sigmoid {
    template <typename T>
    __device__ static T value(T z) {
        return T(1) / (T(1) + exponential(-z));
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return a * (T(1) - a);
    }
};

struct Tanh {
    template <typename T>
    __device__ static T value(T z) {
        return hyperbolic_tangent(z);
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return T(1) - a * a;
    }
};

struct Relu {
    template <typename T>
    __device__ static T value(T z) {
        return z < T(0) ? T(0) : z;  // keeps NaN
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return a > T(0) ? T(1) : T(0);
    }
};

struct LeakyRelu {
    template <typename T>
    __device__ static T value(T z) {
        return z > T(0) ? z : T(0.01) * z;
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return a > T(0) ? T(1) : T(0.01);
    }
};

struct Identity {
    template <typename T>
    __device__ static T value(T z) {
        return z;
    }
    template <typename T>
    __device__ static T slope(T, T) {
        return T(1);
    }
};

// z P(Z < z) of a normal Z. Beyond 12.5 nothing changes any more; infinities must not meet zeros.
struct Gelu {
    template <typename T>
    __device__ static T value(T z) {
        const T x = z < T(-12.5) ? T(-12.5) : z;
        return x * normal_cdf(x);
    }
    template <typename T>
    __device__ static T slope(T z, T) {
        const T x = z < T(-12.5) ? T(-12.5) : z > T(12.5) ? T(12.5) : z;
        return normal_cdf(x) + x * (T(0.39894228040143268) * exponential(T(-0.5) * x * x));
    }
};

// z / (1 + e^-z). Beyond 80 nothing changes any more; infinities must not meet zeros.
struct Silu {
    template <typename T>
    __device__ static T value(T z) {
        const T x = z < T(-80) ? T(-80) : z;
        return x / (T(1) + exponential(-x));
    }
    template <typename T>
    __device__ static T slope(T z, T) {
        const T x = z < T(-80) ? T(-80) : z > T(80) ? T(80) : z;
        const T share = T(1) / (T(1) + exponential(-x));
        return share * (T(1) + x * (T(1) - share));
    }
};

struct Elu {
    template <typename T>
    __device__ static T value(T z) {
        return z > T(0) ? z : exponential_less_one(z);
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return a > T(0) ? T(1) : a + T(1);
    }
};

struct Softplus {
    template <typename T>
    __device__ static T value(T z) {
        const T positive = z < T(0) ? T(0) : z;  // keeps NaN
        return positive + log_of_one_plus(exponential(-magnitude(z)));
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return -exponential_less_one(-a);
    }
};

struct Exponential {
    template <typename T>
    __device__ static T value(T z) {
        return exponential(z);
    }
    template <typename T>
    __device__ static T slope(T, T a) {
        return a;
    }
};
