/*
 * kernel_math.h - for kernel_*.c only: which functions have SIMD variants.
 *
 * glibc's libmvec holds vector forms of the elementary functions. Declaring the
 * scalar function with the simd attribute lets the compiler call them from a
 * loop, with NaN and infinity right and no -ffast-math. Found at build time;
 * without it the loops call libm and are only slower.
 */
#ifndef AD_KERNEL_MATH_H
#define AD_KERNEL_MATH_H

#include <math.h>

#ifdef AD_HAVE_LIBMVEC
#define AD_SIMD1(f) double f(double) __attribute__((simd("notinbranch")))
#define AD_SIMD2(f) double f(double, double) __attribute__((simd("notinbranch")))
AD_SIMD1(exp);
AD_SIMD1(log);
AD_SIMD1(sin);
AD_SIMD1(cos);
AD_SIMD2(pow);
#ifdef AD_HAVE_LIBMVEC_235
AD_SIMD1(tan);
AD_SIMD1(asin);
AD_SIMD1(acos);
AD_SIMD1(atan);
AD_SIMD1(sinh);
AD_SIMD1(cosh);
AD_SIMD1(tanh);
AD_SIMD1(asinh);
AD_SIMD1(acosh);
AD_SIMD1(atanh);
AD_SIMD1(erf);
AD_SIMD1(exp2);
AD_SIMD1(expm1);
AD_SIMD1(log1p);
AD_SIMD1(log2);
AD_SIMD1(log10);
AD_SIMD1(cbrt);
AD_SIMD2(atan2);
AD_SIMD2(hypot);
#endif
#undef AD_SIMD1
#undef AD_SIMD2
#endif

#ifdef AD_HAVE_TARGET_CLONES
#define AD_CLONES                                                               \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define AD_CLONES
#endif

/* Before a loop whose operands, where they overlap, are the same: iteration i
 * touches elements i only, so that iterations may run side by side. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* not every row vectorises */
#define AD_SAME_INDEX _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define AD_SAME_INDEX _Pragma("GCC ivdep")
#else
#define AD_SAME_INDEX
#endif

/* Early returns save a scalar work and keep a loop from being vectorised. */
#define AD_STRAIGHT_LINE
#include "elementary.h"

#endif
