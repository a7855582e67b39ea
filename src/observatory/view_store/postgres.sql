-- Named queries of `ViewStore`.

-- name: load — the newest save
SELECT document, checkpoint, generation FROM observatory.views WHERE name = $1;

-- name: begin — the first save of a view, or one that includes nothing of the log yet; no row when there is another
INSERT INTO observatory.views AS saved (name, generation, checkpoint, document) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
SET generation = excluded.generation, checkpoint = excluded.checkpoint, document = excluded.document
WHERE saved.checkpoint = 0
RETURNING name;

-- name: advance — the next save of a view at the checkpoint $5; no row when it stands elsewhere
UPDATE observatory.views SET checkpoint = $3, document = $4
WHERE name = $1 AND generation = $2 AND checkpoint = $5
RETURNING name;

-- name: drop — forget a view
DELETE FROM observatory.views WHERE name = $1;
