/* What Wine 8 lacks and packages want: C99's complex functions and <fenv.h> for NumPy and TensorFlow,
   bcryptprimitives.dll for those written in Rust.

   Compiled once for each, with -DMATH, -DFENV and -DRANDOM. Windows passes complex numbers as structures. Traps and
   rounding are left as they are, which is all that is needed here. */

#ifdef MATH
#include <complex.h>
#include <math.h>

typedef union { struct { double re, im; } pair; double _Complex z; } Double;
typedef union { struct { float re, im; } pair; float _Complex z; } Float;
typedef __typeof__(((Double *)0)->pair) D;
typedef __typeof__(((Float *)0)->pair) F;
static double _Complex d(D a) { return ((Double){.pair = a}).z; }
static float _Complex f(F a) { return ((Float){.pair = a}).z; }
static D to_d(double _Complex z) { return ((Double){.z = z}).pair; }
static F to_f(float _Complex z) { return ((Float){.z = z}).pair; }

/* A long double is a double there. */
#define OF_COMPLEX(name) \
    D own_##name(D a) { return to_d(name(d(a))); } \
    D own_##name##l(D a) { return to_d(name(d(a))); } \
    F own_##name##f(F a) { return to_f(name##f(f(a))); }
OF_COMPLEX(cexp) OF_COMPLEX(clog) OF_COMPLEX(csqrt) OF_COMPLEX(conj)
OF_COMPLEX(csin) OF_COMPLEX(ccos) OF_COMPLEX(ctan) OF_COMPLEX(casin) OF_COMPLEX(cacos)
OF_COMPLEX(catan) OF_COMPLEX(csinh) OF_COMPLEX(ccosh) OF_COMPLEX(ctanh) OF_COMPLEX(casinh)
OF_COMPLEX(cacosh) OF_COMPLEX(catanh)

#define TO_REAL(name) \
    double own_##name(D a) { return name(d(a)); } \
    double own_##name##l(D a) { return name(d(a)); } \
    float own_##name##f(F a) { return name##f(f(a)); }
TO_REAL(creal) TO_REAL(cimag) TO_REAL(cabs) TO_REAL(carg)

D own_cpow(D a, D b) { return to_d(cpow(d(a), d(b))); }
D own_cpowl(D a, D b) { return to_d(cpow(d(a), d(b))); }
F own_cpowf(F a, F b) { return to_f(cpowf(f(a), f(b))); }
#endif

#ifdef FENV
typedef struct { unsigned control, status; } Environment;
int own_fegetenv(Environment *e) { e->control = 0x1f80; e->status = 0; return 0; }
int own_feholdexcept(Environment *e) { return own_fegetenv(e); }
int own_fesetenv(const Environment *e) { return 0; }
int own_feupdateenv(const Environment *e) { return 0; }
int own_feclearexcept(int which) { return 0; }
int own_fetestexcept(int which) { return 0; }
#endif

#ifdef RANDOM
#include <windows.h>
#include <ntsecapi.h>
BOOL ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, size); }
#endif

#ifdef EMPTY
int DllMain(void *module, unsigned reason, void *reserved) { return 1; }
#endif

#ifdef PYTHON
#include <windows.h>
int wmain(int count, wchar_t **arguments)
{
    HMODULE library = LoadLibraryW(L"python311.dll");
    if (!library) return 99;
    return ((int (*)(int, wchar_t **))GetProcAddress(library, "Py_Main"))(count, arguments);
}
#endif
