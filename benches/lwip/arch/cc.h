/* The port: everything lwIP does not find out for itself. */
#ifndef LENDWIRE_LWIP_CC_H
#define LENDWIRE_LWIP_CC_H

#include <stdlib.h>

#define LWIP_PLATFORM_DIAG(x)
/* As in a release: lwIP's own checks are off (LWIP_NOASSERT). */
#define LWIP_PLATFORM_ASSERT(x) abort()
#define LWIP_RAND() ((u32_t)rand())

#endif
