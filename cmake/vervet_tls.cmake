# vervet::tls, what <vervet/tls.hpp> needs: OpenSSL. Headers alone, and only where it is installed;
# a package's user asks for it: find_package(vervet COMPONENTS tls).
find_package(OpenSSL 1.1.1)
if(OpenSSL_FOUND)
  add_library(vervet_tls INTERFACE)
  add_library(vervet::tls ALIAS vervet_tls)
  target_link_libraries(vervet_tls INTERFACE vervet_runtime OpenSSL::SSL OpenSSL::Crypto)
endif()
