//go:build linux

package control

import (
	_ "embed" // api.txt
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/netnsd/netnsd/cmd/netnsd/internal/config"
	"github.com/netnsd/netnsd/cmd/netnsd/internal/explain"
)

// API is the description of what can be asked, for people.
//
//go:embed api.txt
var API string

// api is what the paths do.
type api struct {
	daemon Daemon
	log    *slog.Logger
}

func tooLong(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func (a api) status(r *http.Request, _ []byte) (int, any, error) {
	return 0, a.daemon.Status(r.Context()), nil
}

func (a api) flows(r *http.Request, _ []byte) (int, any, error) {
	flows, err := a.daemon.Flows(r.Context(), r.URL.Query().Get("attachment"))
	if flows == nil {
		flows = []Flow{} // a list, also if it is empty
	}
	return 0, flows, err
}

func (a api) chains(r *http.Request, _ []byte) (int, any, error) {
	chains, err := a.daemon.Chains(r.Context(), r.URL.Query().Get("attachment"))
	if chains == nil {
		chains = []Chain{}
	}
	return 0, chains, err
}

func (a api) kill(r *http.Request, _ []byte) (int, any, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("flow %q: %w", r.PathValue("id"), ErrNotFound)
	}
	return 0, nil, a.daemon.Kill(r.Context(), id)
}

// A Query asks what would become of a connection.
type Query struct {
	Attachment  string `json:"attachment"`
	Protocol    string `json:"protocol"`    // tcp, udp, icmp
	Destination string `json:"destination"` // an address or a name, with :PORT
	// Given is what would be known besides; a uid of -1, or none, is not known.
	Given *explain.Given `json:"given,omitempty"`
}

func (a api) explain(r *http.Request, body []byte) (int, any, error) {
	q := Query{Given: &explain.Given{UID: -1}}
	if err := config.ReadJSON(body, &q); err != nil {
		return 0, nil, err
	}
	parsed, err := explain.Parse(q.Protocol, q.Destination)
	parsed.Given = q.Given
	if err = errors.Join(err, parsed.Check()); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	answer, err := a.daemon.Explain(r.Context(), q.Attachment, parsed)
	return 0, answer, err
}

func (a api) reload(r *http.Request, _ []byte) (int, any, error) {
	q, err := reloadQuery(r.URL.Query())
	if err != nil {
		return 0, nil, err
	}
	done, err := a.daemon.Reload(r.Context(), q)
	return 0, done, err
}

func reloadQuery(v url.Values) (q ReloadQuery, err error) {
	if q.Old = v.Get("old"); v.Has("old") && !slices.Contains([]string{config.OldPin, config.OldDrain, config.OldReset}, q.Old) {
		return q, newProblem(http.StatusBadRequest, "old=%s: there are pin, drain and reset", q.Old)
	}
	if v.Has("drain") {
		q.Drain = new(config.Duration)
		if err := q.Drain.UnmarshalText([]byte(v.Get("drain"))); err != nil {
			return q, newProblem(http.StatusBadRequest, "drain: %v", err)
		}
	}
	if v.Has("keep_denied") {
		keep, err := strconv.ParseBool(v.Get("keep_denied"))
		if err != nil {
			return q, newProblem(http.StatusBadRequest, "keep_denied=%s is neither true nor false", v.Get("keep_denied"))
		}
		q.KeepDenied = &keep
	}
	return q, nil
}

func (a api) attach(r *http.Request, body []byte) (int, any, error) {
	wanted, err := config.ReadAttachment(body, a.daemon.Defaults())
	if err != nil {
		return 0, nil, err
	}
	if wanted.Netns.FD != 0 {
		if wanted.Netns.File = connOf(r.Context()).take(); wanted.Netns.File == nil {
			return 0, nil, newProblem(http.StatusUnprocessableEntity, "netns.fd: the descriptor has to come with the request (SCM_RIGHTS), as `netnsd attach fd:N` sends it")
		}
		if kind, err := unix.IoctlRetInt(int(wanted.Netns.File.Fd()), unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
			return 0, nil, errors.Join(newProblem(http.StatusUnprocessableEntity, "netns.fd: the descriptor that came is not a network namespace"), wanted.Netns.File.Close())
		}
	}
	if err := a.daemon.Attach(r.Context(), wanted); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, wanted, nil
}

func (a api) detach(r *http.Request, _ []byte) (int, any, error) {
	return 0, nil, a.daemon.Detach(r.Context(), r.PathValue("name"))
}

func (a api) publish(r *http.Request, body []byte) (int, any, error) {
	p, err := config.ReadPublish(body)
	if err != nil {
		return 0, nil, err
	}
	if err := a.daemon.Publish(r.Context(), r.PathValue("name"), p); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, Published{p.ID()}, nil
}

// Published names a publication that was made.
type Published struct {
	ID string `json:"id"`
}

func (a api) unpublish(r *http.Request, _ []byte) (int, any, error) {
	return 0, nil, a.daemon.Unpublish(r.Context(), r.PathValue("name"), r.PathValue("id"))
}

// metrics is the daemon's own handler, for a request that is right.
func (a api) metrics() http.Handler {
	h := a.daemon.Metrics()
	get := map[string]method{http.MethodGet: {do: func(*http.Request, []byte) (int, any, error) { return 0, nil, nil }}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := a.answer(w, r, get); err != nil {
			problem(err).write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// publishedPath is where an ID is unpublished.
func publishedPath(attachment, id string) string {
	return "/v1/attachments/" + url.PathEscape(attachment) + "/published/" + url.PathEscape(id)
}
