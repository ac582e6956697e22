/* What the example needs of the machine it runs on. */
#ifndef PLATFORM_H_
#define PLATFORM_H_

void platform_print(const char* text);
/* Appends to the file `enhanced.f32` on the host. */
void platform_write(const void* data, unsigned size);
/* Instructions since some moment, 0 where they cannot be counted; read at least twice a second. */
unsigned long long platform_instructions(void);
/* Most bytes of stack in use so far, 0 where that cannot be known. */
unsigned long platform_stack_used(void);

#endif
