# Warnings that gcc 12 and clang 14 both keep clean, hardening, sanitizers.
add_library(mk_flags INTERFACE)
target_compile_options(mk_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2
  $<$<BOOL:${MK_WERROR}>:-Werror>
  -fno-omit-frame-pointer -fvisibility=hidden)
target_compile_definitions(mk_flags INTERFACE _POSIX_C_SOURCE=200809L)
if(MK_SANITIZE)
  target_compile_options(mk_flags INTERFACE -fsanitize=${MK_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(mk_flags INTERFACE -fsanitize=${MK_SANITIZE})
  if(MK_SANITIZE MATCHES address)
    target_compile_definitions(mk_flags INTERFACE MK_ASAN=1)
  elseif(MK_SANITIZE MATCHES thread)
    target_compile_definitions(mk_flags INTERFACE MK_TSAN=1)
  endif()
else()
  target_compile_options(mk_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
    # Some distributions' compilers define it already; without optimisation it only warns.
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(mk_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(MK_FUZZ)
  target_compile_options(mk_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
