package echo

import "net/http"

// maxFaultsBody is far more than a Faults object needs, in bytes.
const maxFaultsBody = 4 << 10

// editFaults shows (GET), replaces (PUT) or ends (DELETE) the faults. It is off
// unless enabled: whoever reaches the port could break the service with it.
func (s *Server) editFaults(w http.ResponseWriter, r *http.Request) {
	if !s.cfg.FaultsEndpoint {
		s.writeError(w, http.StatusForbidden, "faults cannot be changed at run time; start the service with FAULTS_ENDPOINT=enabled")
		return
	}
	if !s.allow(w, r, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete) {
		return
	}
	switch r.Method {
	case http.MethodPut:
		f, err := DecodeFaults(http.MaxBytesReader(w, r.Body, maxFaultsBody))
		if err != nil {
			s.writeError(w, http.StatusBadRequest, err.Error())
			return
		}
		s.setFaults(f)
		s.log.WarnContext(r.Context(), "faults set", "faults", f)
	case http.MethodDelete:
		s.setFaults(NoFaults())
		s.log.InfoContext(r.Context(), "faults ended")
	}
	writeJSON(w, http.StatusOK, s.faults.get())
}

func (s *Server) setFaults(f Faults) {
	s.faults.set(f)
	s.tellHealth()
}
