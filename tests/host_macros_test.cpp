// SPDX-License-Identifier: MIT
// A host's macros, defined before the library's headers: none of them breaks one. What the library itself
// includes comes before them, since its authors answer for that. Compiling is the test; both lists are made of the
// headers by host_macros.sh.
#include "host_macros_includes.hpp"

// <windows.h>
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define near
#define far
#define small char
#define hyper long
#define interface struct
#define cdecl
#define pascal
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define ERROR 0
#define NO_ERROR 0
#define DELETE (0x00010000L)
#define IGNORE 0
#define INFINITE 0xFFFFFFFF
#define STRICT 1
#define ABSOLUTE 1
#define RELATIVE 2
#define OPAQUE 2
#define TRANSPARENT 1
#define Yield()
#define SendMessage SendMessageW
#define GetMessage GetMessageW
#define CreateEvent CreateEventW
#define OpenEvent OpenEventW
#define GetObject GetObjectW
#define GetCurrentTime() GetTickCount()

// Qt
#define signals public
#define slots
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
#define Q_SIGNALS public
#define Q_SLOTS
#define Q_EMIT
#define Q_OBJECT
#define Q_DISABLE_COPY(type)
#define Q_UNUSED(x) (void)x;

// <X11/Xlib.h> and <X11/X.h>
#define None 0L
#define Bool int
#define Status int
#define True 1
#define False 0
#define Success 0
#define Always 2
#define Never 0
#define Complex 0
#define Convex 2
#define Nonconvex 1
#define Unsorted 0
#define YSorted 1
#define Above 0
#define Below 1
#define Expose 12
#define KeyPress 2
#define KeyRelease 3
#define FocusIn 9
#define FocusOut 10
#define CursorShape 0
#define GrayScale 1

// <sys/sysmacros.h>, <syslog.h> and loggers
#define major(device) device
#define minor(device) device
#define LOG_INFO 6
#define LOG(severity) severity
#define DEBUG 1
#define INFO 1
#define WARNING 1
#define FATAL 1
#define TRACE 1
#define CHECK(condition) (void)(condition)
#define ASSERT(condition) (void)(condition)
#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#define MAX(a, b) (((a) > (b)) ? (a) : (b))

// Objective-C, and habits of C
#define nil 0
#define Nil 0
#define YES 1
#define NO 0
#define likely(condition) (condition)
#define unlikely(condition) (condition)

#include "host_macros_headers.hpp"
