// Runs CUDA C++ kernels on the CPU, one thread of a block after the other, to see what they do.
//
// Every CUDA thread is a fiber of one thread of the CPU. It runs until it ends or waits at a barrier
// (of the block, or of its warp in a shuffle); then the next one runs. A barrier opens when all
// threads that have not ended wait at the same line; anything else is reported, as is a shuffle with
// lanes missing. Which thread comes first is chosen by the caller: results must not depend on it.
//
// Shared memory holds NaN when a block starts. AddressSanitizer watches its end, and
// ThreadSanitizer is told of fibers and barriers, so it reports what no barrier keeps apart.
#pragma once

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#define __global__
#define __device__
#define __shared__
#define UNWATCHED __attribute__((no_sanitize("thread"), noinline))

struct Dimensions {
    unsigned x, y, z;
};

constexpr int MOST_THREADS = 1024, STACK_BYTES = 64 << 10, SHARED_BYTES = 48 << 10, WARP = 32;

alignas(16) inline double shared_memory[SHARED_BYTES / sizeof(double)];

namespace on_cpu {

// A place where a fiber stopped, to be gone back to. glibc's swapcontext asks the kernel about
// signals each time, which takes ten times as long as the switch.
#if defined(__x86_64__)
struct Context {
    void* stack_pointer;
};

asm(R"(
    .text
    .local on_cpu_switch
    .type on_cpu_switch, @function
on_cpu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
extern "C" __attribute__((visibility("hidden"))) void on_cpu_switch(Context* from, Context* to);

__attribute__((no_sanitize("thread", "address"))) inline void start_at(
    Context* context, char* stack, size_t bytes, void (*entry)()
) {
    constexpr int SAVED = 6;
    void** top = reinterpret_cast<void**>(stack + bytes) - 2;  // aligned as a call leaves it
    *top = reinterpret_cast<void*>(entry);
    for (int i = 1; i <= SAVED; ++i) top[-i] = nullptr;
    context->stack_pointer = top - SAVED;
}
#else
using Context = ucontext_t;

inline void on_cpu_switch(Context* from, Context* to) { swapcontext(from, to); }

inline void start_at(Context* context, char* stack, size_t bytes, void (*entry)()) {
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = bytes;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
}
#endif

enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, ENDED };

struct Fiber {
    Context context;
    State state;
    int line;
    int barriers, exchanges;  // how many barriers and shuffles it has come to
    void* watched;  // ThreadSanitizer's fiber
    void* fake_stack;
    char* stack;
};

inline Fiber fibers[MOST_THREADS];
inline Context scheduler;
inline void* scheduler_watched;
inline void* scheduler_fake_stack;
inline const void* scheduler_stack;
inline size_t scheduler_stack_bytes;
inline int current;
inline Dimensions grid, block, own_block;
inline void (*kernel_body)(void*);
inline void* kernel_arguments;
inline char error[200];
inline char exchange[2][MOST_THREADS][8];  // in turns: nobody is more than one shuffle ahead

// What ThreadSanitizer knows meetings by. Barriers take turns: who is at the next one has not met
// those who are still behind the last one.
inline char start_token, end_token, barrier_tokens[2], warp_tokens[2][MOST_THREADS / WARP];

UNWATCHED inline Dimensions thread_index() { return {unsigned(current), 0, 0}; }
UNWATCHED inline Dimensions block_index() { return own_block; }
UNWATCHED inline Dimensions block_size() { return block; }
UNWATCHED inline Dimensions grid_size() { return grid; }

inline void acquire([[maybe_unused]] void* token) {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(token);
#endif
}

inline void release([[maybe_unused]] void* token) {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(token);
#endif
}

UNWATCHED inline void to_scheduler() {
    Fiber& own = fibers[current];
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(scheduler_watched, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&own.fake_stack, scheduler_stack, scheduler_stack_bytes);
#endif
    on_cpu_switch(&own.context, &scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own.fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

UNWATCHED inline void to_fiber(int index) {
    Fiber& next = fibers[index];
    current = index;
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(next.watched, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, next.stack, STACK_BYTES);
#endif
    on_cpu_switch(&scheduler, &next.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

UNWATCHED inline void wait(State state, int line, void* token) {
    release(token);
    fibers[current].state = state;
    fibers[current].line = line;
    to_scheduler();
    acquire(token);
}

// A fiber serves one CUDA thread after the other, of one block after the other.
UNWATCHED inline void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
    for (;;) {
        acquire(&start_token);
        kernel_body(kernel_arguments);
        release(&end_token);
        fibers[current].state = ENDED;
        to_scheduler();
    }
}

UNWATCHED inline void prepare(int index) {
    Fiber& fiber = fibers[index];
    if (fiber.stack) return;
    fiber.stack = static_cast<char*>(std::malloc(STACK_BYTES));
    start_at(&fiber.context, fiber.stack, STACK_BYTES, fiber_main);
#if defined(__SANITIZE_THREAD__)
    fiber.watched = __tsan_create_fiber(0);
#endif
}

// Let those at a barrier of some threads go if all of these wait there; report a broken one.
UNWATCHED inline bool open_barrier(int first, int end, State kind, const char* what) {
    int waiting = 0, ended = 0, line = 0;
    bool one_line = true;
    for (int i = first; i < end; ++i) {
        if (fibers[i].state == ENDED) ++ended;
        if (fibers[i].state != kind) continue;
        one_line = one_line && (waiting == 0 || fibers[i].line == line);
        line = fibers[i].line;
        ++waiting;
    }
    if (waiting == 0) return false;
    if (waiting < end - first && waiting + ended < end - first) return false;
    if (!one_line || ended > 0) {
        std::snprintf(error, sizeof error, "not all threads come to the %s at line %d", what, line);
        return false;
    }
    for (int i = first; i < end; ++i) fibers[i].state = READY;
    return true;
}

UNWATCHED inline bool open_barriers() {
    const int threads = int(block.x);
    bool opened = false;
    for (int first = 0; first < threads; first += WARP) {
        opened |= open_barrier(first, first + WARP, AT_WARP_BARRIER, "shuffle");
    }
    return open_barrier(0, threads, AT_BLOCK_BARRIER, "barrier") || opened;
}

UNWATCHED inline bool run_block(const int* order) {
    const int threads = int(block.x);
    for (int i = 0; i < threads; ++i) {
        fibers[i].state = READY;
        fibers[i].barriers = fibers[i].exchanges = 0;
    }
    for (;;) {
        int ended = 0;
        for (int i = 0; i < threads; ++i) {
            if (fibers[order[i]].state == READY) to_fiber(order[i]);
            ended += fibers[order[i]].state == ENDED;
        }
        if (ended == threads) return true;
        if (!open_barriers() && !error[0]) {
            std::snprintf(error, sizeof error, "threads wait for each other for ever");
        }
        if (error[0]) return false;
    }
}

UNWATCHED inline void fill_shared(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(shared_memory, sizeof shared_memory);
#endif
    std::memset(shared_memory, 0xff, sizeof shared_memory);  // NaN in both types
#if defined(__SANITIZE_ADDRESS__)
    char* end = reinterpret_cast<char*>(shared_memory) + bytes;
    ASAN_POISON_MEMORY_REGION(end, sizeof shared_memory - bytes);
#endif
    (void)bytes;
}

// Order 0: threads and blocks as they are numbered; 1: the other way round; else shuffled by it.
UNWATCHED inline void make_order(int* order, int count, int kind) {
    for (int i = 0; i < count; ++i) order[i] = kind == 1 ? count - 1 - i : i;
    unsigned state = 2654435761u * unsigned(kind);
    for (int i = count - 1; i > 0 && kind > 1; --i) {
        state = 1664525u * state + 1013904223u;
        const int other = int((state >> 8) % unsigned(i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

UNWATCHED inline const char* run(
    int blocks, int threads, size_t shared_bytes, int kind, void (*body)(void*), void* arguments
) {
    static int thread_order[MOST_THREADS];
    kernel_body = body;
    kernel_arguments = arguments;
    grid = {unsigned(blocks), 1, 1};
    block = {unsigned(threads), 1, 1};
    error[0] = 0;
#if defined(__SANITIZE_THREAD__)
    scheduler_watched = __tsan_get_current_fiber();
#endif
    int* block_order = static_cast<int*>(std::malloc(sizeof(int) * size_t(blocks)));
    make_order(block_order, blocks, kind);
    make_order(thread_order, threads, kind);
    for (int i = 0; i < threads; ++i) prepare(i);
    for (int i = 0; i < blocks && !error[0]; ++i) {
        own_block = {unsigned(block_order[i]), 0, 0};
        fill_shared(shared_bytes);
        release(&start_token);
        run_block(thread_order);
        acquire(&end_token);
    }
    if (error[0]) {  // fibers that still wait cannot be used again
        for (int i = 0; i < threads; ++i) {
            if (fibers[i].state != ENDED) fibers[i].stack = nullptr;
        }
    }
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(shared_memory, sizeof shared_memory);
#endif
    std::free(block_order);
    return error[0] ? error : nullptr;
}

template <typename Body>
const char* run(int blocks, int threads, size_t shared_bytes, int kind, Body body) {
    auto call = [](void* own) { (*static_cast<Body*>(own))(); };
    return run(blocks, threads, shared_bytes, kind, call, &body);
}

UNWATCHED inline void meet(int line) {
    wait(AT_BLOCK_BARRIER, line, &barrier_tokens[fibers[current].barriers++ % 2]);
}

UNWATCHED inline int warp_of(int thread) { return thread / WARP; }

// Put a value where the other lanes find it, wait for theirs, and return where they are.
UNWATCHED inline const char (*exchanged(const void* value, size_t bytes, int line))[8] {
    const int turn = fibers[current].exchanges++ % 2;
    char(*shared)[8] = exchange[turn];
    std::memcpy(shared[current], value, bytes);
    wait(AT_WARP_BARRIER, line, &warp_tokens[turn][warp_of(current)]);
    return shared + warp_of(current) * WARP;
}

template <typename T>
UNWATCHED T shuffle(T value, int lane_mask, int line) {
    const char(*lanes)[8] = exchanged(&value, sizeof value, line);
    std::memcpy(&value, lanes[(current % WARP) ^ lane_mask], sizeof value);
    return value;
}

template <typename T>
UNWATCHED T from_lane(T value, int source, int line) {
    const char(*lanes)[8] = exchanged(&value, sizeof value, line);
    std::memcpy(&value, lanes[source % WARP], sizeof value);
    return value;
}

UNWATCHED inline unsigned ballot(bool vote, int line) {
    const char(*lanes)[8] = exchanged(&vote, sizeof vote, line);
    unsigned votes = 0;
    for (int i = 0; i < WARP; ++i) votes |= unsigned(lanes[i][0] != 0) << i;
    return votes;
}

}  // namespace on_cpu

#define threadIdx on_cpu::thread_index()
#define blockIdx on_cpu::block_index()
#define blockDim on_cpu::block_size()
#define gridDim on_cpu::grid_size()
#define __syncthreads() on_cpu::meet(__LINE__)
#define __shfl_xor_sync(mask, value, lane_mask) on_cpu::shuffle(value, lane_mask, __LINE__)
#define __shfl_sync(mask, value, source) on_cpu::from_lane(value, source, __LINE__)
#define __syncwarp() on_cpu::ballot(true, __LINE__)
#define __ballot_sync(mask, vote) on_cpu::ballot(vote, __LINE__)
#define __popc(word) __builtin_popcount(word)

inline unsigned atomicAdd(unsigned* to, unsigned value) {
    return __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
}

// Count up to a value and from there to 0.
inline unsigned atomicInc(unsigned* to, unsigned most) {
    const unsigned before = __atomic_load_n(to, __ATOMIC_RELAXED);
    __atomic_store_n(to, before >= most ? 0 : before + 1, __ATOMIC_RELAXED);
    return before;
}

inline void __threadfence() {}

template <typename T>
T __ldcg(const T* from) {
    return *from;
}

inline unsigned atomicOr(unsigned* to, unsigned value) {
    return __atomic_fetch_or(to, value, __ATOMIC_RELAXED);
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline long long __double_as_longlong(double value) {
    long long bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline void sincospif(float x, float* sine, float* cosine) {
    *sine = float(std::sin(M_PI * double(x)));
    *cosine = float(std::cos(M_PI * double(x)));
}

inline void sincospi(double x, double* sine, double* cosine) {
    *sine = std::sin(M_PI * x);
    *cosine = std::cos(M_PI * x);
}

inline double __dadd_rn(double a, double b) { return a + b; }
