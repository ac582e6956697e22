/* Cortex-M7 and Cortex-M55 without an operating system: vectors, start-up, and the debugger's (or QEMU's) semihosting. */
#include <stdint.h>

#include "platform.h"

extern uint32_t stack_bottom[], stack_top[];                   /* linker script */
extern uint32_t data_start[], data_end[], data_load[];
extern uint32_t bss_start[], bss_end[];
int main(void);
void reset(void);

enum { OPEN = 1, WRITE0 = 4, WRITE = 5, EXIT = 0x20 };         /* semihosting operations */
#define PAINT 0x5eed5eedu

static intptr_t semihost(int operation, const void* argument) {
  register intptr_t r0 __asm__("r0") = operation;
  register const void* r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void leave(int code) {
  const uintptr_t argument[2] = {0x20026, (uintptr_t)code}; /* application exit */
  semihost(EXIT, argument);
  for (;;) {
  }
}

static void fault(void) {
  platform_print("error the processor took a fault\n");
  leave(2);
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
};

#define REGISTER(address) (*(volatile uint32_t*)(address))
#define CPACR REGISTER(0xe000ed88)
#define SYST_CSR REGISTER(0xe000e010)
#define SYST_RVR REGISTER(0xe000e014)
#define SYST_CVR REGISTER(0xe000e018)

void reset(void) {
  CPACR |= 0xfu << 20; /* floating point and vectors */
  __asm__ volatile("dsb\n isb");
  for (uint32_t *to = data_start, *from = data_load; to < data_end;) *to++ = *from++;
  for (uint32_t* to = bss_start; to < bss_end;) *to++ = 0;
  uint32_t* here;
  __asm__ volatile("mov %0, sp" : "=r"(here));
  for (uint32_t* to = stack_bottom; to < here - 8;) *to++ = PAINT;
  SYST_RVR = 0xffffff;
  SYST_CVR = 0;
  SYST_CSR = 5; /* processor clock, no interrupt */
  leave(main());
}

void platform_print(const char* text) { semihost(WRITE0, text); }

void platform_write(const void* data, unsigned size) {
  static intptr_t file = -1;
  if (file < 0) {
    static const char name[] = "enhanced.f32";
    const uintptr_t open[3] = {(uintptr_t)name, 5 /* wb */, sizeof name - 1};
    file = semihost(OPEN, open);
  }
  const uintptr_t write[3] = {(uintptr_t)file, (uintptr_t)data, size};
  semihost(WRITE, write);
}

/* Under `qemu -icount shift=0` an instruction takes one nanosecond, so the clock of SysTick counts instructions. */
unsigned long long platform_instructions(void) {
  static uint32_t last;
  static unsigned long long ticks;
  const uint32_t now = 0xffffffu - SYST_CVR;
  ticks += (now - last) & 0xffffffu;
  last = now;
  return ticks * 1000000000ull / CLOCK_HZ;
}

unsigned long platform_stack_used(void) {
  const uint32_t* at = stack_bottom;
  while (at < stack_top && *at == PAINT) ++at;
  return (unsigned long)((uintptr_t)stack_top - (uintptr_t)at);
}
