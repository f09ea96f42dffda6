#ifndef TRIBUTARY_CMOSQUITTO_SHIM_H
#define TRIBUTARY_CMOSQUITTO_SHIM_H

#include <mosquitto.h>
#include <mqtt_protocol.h>

/* The Glibc module leaves eventfd(2) out; the thread around libmosquitto is woken through one. */
#include <sys/eventfd.h>

/* prctl(2) is variadic, which Swift cannot call. At most 15 characters, for ps, top and debuggers. */
#include <sys/prctl.h>
static inline void tributary_name_thread(const char *name)
{
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

#endif
