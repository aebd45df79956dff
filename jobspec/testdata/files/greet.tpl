Dear ${name} on ${NOMAD_ALLOC_ID}:
%{ for i in items ~}
- ${upper(i)}
%{ endfor ~}
