# Fills the folder that lonja-web serves. Without node_modules (npm ci not run) the API works, the page does not.
file(REMOVE_RECURSE "${TO}")
file(COPY "${FROM}/" DESTINATION "${TO}" PATTERN README.md EXCLUDE)
foreach(library
    htm/preact/standalone.module.js
    lightweight-charts/dist/lightweight-charts.standalone.production.mjs)
  get_filename_component(name "${library}" NAME)
  if(library MATCHES "^htm")
    set(name preact.mjs)
  else()
    set(name charts.mjs)
  endif()
  if(EXISTS "${MODULES}/${library}")
    configure_file("${MODULES}/${library}" "${TO}/vendor/${name}" COPYONLY)
  else()
    message(WARNING "${library} is missing: run npm ci for the trading page")
  endif()
endforeach()
