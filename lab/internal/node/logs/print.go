package logs

import (
	"errors"
	"io"
)

// printer writes records as a person reads them.
type printer struct {
	w         io.Writer
	options   Options
	written   int64
	lineStart bool
}

// history writes what is there already: all of it, or its tail.
func (p *printer) history(r *reader) error {
	if p.options.Tail == nil {
		return p.drain(r)
	}
	want := int(max(0, *p.options.Tail))
	var last []record
	err := p.each(r, func(rec record) error {
		last = append(last, rec)
		if len(last) > 2*want+64 { // cut now and then, not at every record
			last = append(last[:0], last[len(last)-want:]...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, rec := range last[max(0, len(last)-want):] {
		if err := p.print(rec); err != nil {
			return err
		}
	}
	return nil
}

// drain writes the records that are there.
func (p *printer) drain(r *reader) error { return p.each(r, p.print) }

// each calls do with every wanted record up to the present end.
func (p *printer) each(r *reader, do func(record) error) error {
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.at.Before(p.options.Since) || (p.options.Stream != "" && rec.stream != p.options.Stream) {
			continue
		}
		if err := do(rec); err != nil {
			return err
		}
	}
}

func (p *printer) print(rec record) error {
	var out []byte
	if p.options.Timestamps && p.lineStart {
		out = append(rec.at.AppendFormat(out, timeFormat), ' ')
	}
	out = append(out, rec.text...)
	if !rec.partial {
		out = append(out, '\n')
	}
	p.lineStart = !rec.partial
	if limit := p.options.Limit; limit != nil && p.written+int64(len(out)) >= *limit {
		out = out[:max(0, *limit-p.written)]
		if _, err := p.w.Write(out); err != nil {
			return err
		}
		return errLimit
	}
	n, err := p.w.Write(out)
	p.written += int64(n)
	return err
}
