package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// AnswerLatency is how many answers to a source's callbacks took a time that falls into a bucket.
type AnswerLatency struct {
	SourceID int64
	Minute   time.Time // UTC, whole
	Bucket   int       // of LatencyBucket
	Answers  int64
}

// Buckets of latencies: each is half an octave wide, so that a quantile is known to a fifth or better.
const (
	leastLatency  = 500 * time.Microsecond // the upper bound of bucket 0
	latencyBucket = 36                     // the last one: what is above two minutes
)

// LatencyBucket is the bucket that a latency falls into.
func LatencyBucket(took time.Duration) int {
	if took <= leastLatency {
		return 0
	}
	return min(int(math.Ceil(2*math.Log2(float64(took)/float64(leastLatency)))), latencyBucket)
}

// latencyBound is the upper bound of a bucket.
func latencyBound(bucket int) time.Duration {
	return time.Duration(float64(leastLatency) * math.Pow(2, float64(bucket)/2))
}

// AddLatencies adds what a receiver has counted since it last did.
func (db *DB) AddLatencies(ctx context.Context, latencies []AnswerLatency) error {
	if len(latencies) == 0 {
		return nil
	}
	var (
		sources []int64
		minutes []time.Time
		buckets []int16
		answers []int64
	)
	for _, l := range latencies {
		sources, minutes, buckets, answers = append(sources, l.SourceID), append(minutes, l.Minute), append(buckets, int16(l.Bucket)), append(answers, l.Answers)
	}
	_, err := db.pool.Exec(ctx, `
		INSERT INTO answer_latencies AS l (grain, start, source_id, bucket, answers)
		SELECT grain, date_trunc(grain::text, minute, 'UTC'), source_id, bucket, sum(answers)
		FROM unnest($1::bigint[], $2::timestamptz[], $3::smallint[], $4::bigint[]) AS new (source_id, minute, bucket, answers)
		CROSS JOIN unnest(enum_range(NULL::volume_grain)) AS grain
		GROUP BY 1, 2, 3, 4
		ORDER BY 1, 2, 3, 4 -- so that instances lock rows in one order
		ON CONFLICT (grain, start, source_id, bucket) DO UPDATE SET answers = l.answers + excluded.answers`,
		sources, minutes, buckets, answers)
	if err != nil {
		return fmt.Errorf("counting how long answers took: %w", err)
	}
	return nil
}

// Latencies tells how long answers took.
type Latencies struct {
	Answers  int64 // 0: nothing is known
	P50, P95 time.Duration
}

// latencies reads those of a time, of one source or (0) of all.
func latencies(ctx context.Context, tx pgx.Tx, g grain, from time.Time, source int64) (Latencies, error) {
	var counts [latencyBucket + 1]int64
	var bucket int
	var n int64
	rows, err := tx.Query(ctx, `
		SELECT bucket, sum(answers)::bigint FROM answer_latencies
		WHERE grain = $1 AND start >= $2 AND ($3 = 0 OR source_id = $3) GROUP BY bucket`, g, from, source)
	if err != nil {
		return Latencies{}, err
	}
	_, err = pgx.ForEachRow(rows, []any{&bucket, &n}, func() error {
		counts[min(max(bucket, 0), latencyBucket)] += n
		return nil
	})
	return newLatencies(counts[:]), err
}

func newLatencies(counts []int64) Latencies {
	var l Latencies
	for _, n := range counts {
		l.Answers += n
	}
	l.P50, l.P95 = quantile(counts, l.Answers, 0.5), quantile(counts, l.Answers, 0.95)
	return l
}

// quantile is the latency that a share of the answers does not exceed, as if those of a bucket were spread evenly over it.
func quantile(counts []int64, total int64, share float64) time.Duration {
	rest := share * float64(total)
	for bucket, n := range counts {
		if n > 0 && rest <= float64(n) {
			low := time.Duration(0)
			if bucket > 0 {
				low = latencyBound(bucket - 1)
			}
			return low + time.Duration(float64(latencyBound(bucket)-low)*rest/float64(n))
		}
		rest -= float64(n)
	}
	return 0
}
