-- Hand-edited after drizzle-kit: STRICT, WITHOUT ROWID. A row in a rowid table with a text key is billed as two.
CREATE TABLE `approver` (
	`id` text PRIMARY KEY NOT NULL,
	`person` text NOT NULL,
	`public_key` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `approver_person` ON `approver` (`person`);--> statement-breakpoint
CREATE TABLE `device_type` (
	`key` text PRIMARY KEY NOT NULL,
	`manufacturer` text NOT NULL,
	`model` text NOT NULL,
	`document` text NOT NULL,
	`report` text NOT NULL,
	`updated_at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `fleet_setting` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL,
	`actor` text NOT NULL,
	`at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `idempotency` (
	`actor` text NOT NULL,
	`key` text NOT NULL,
	`body_hash` text NOT NULL,
	`status` integer,
	`body` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`actor`, `key`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `site` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`location_hint` text NOT NULL,
	`jurisdiction` text NOT NULL,
	`created_at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `site_name_unique` ON `site` (`name`);--> statement-breakpoint
CREATE TABLE `token` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`name` text NOT NULL,
	`role` text NOT NULL,
	`sites` text,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`revoked_at` integer
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `token_hash_unique` ON `token` (`hash`);--> statement-breakpoint
CREATE TABLE `rm_agent` (
	`site` text NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`doc` text,
	PRIMARY KEY(`site`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `rm_asset` (
	`site` text NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`doc` text,
	`serial` text,
	`state` text,
	PRIMARY KEY(`site`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `rm_device` (
	`site` text NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`doc` text,
	`name` text,
	`state` text,
	PRIMARY KEY(`site`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `rm_finding` (
	`site` text NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`doc` text,
	`state` text,
	`severity` text,
	PRIMARY KEY(`site`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `rm_job` (
	`site` text NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`doc` text,
	`state` text,
	`created_at` integer,
	PRIMARY KEY(`site`, `id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `rm_job_created` ON `rm_job` (`created_at`);--> statement-breakpoint
CREATE TABLE `rm_site` (
	`site` text NOT NULL,
	`id` text NOT NULL,
	`version` integer NOT NULL,
	`doc` text,
	PRIMARY KEY(`site`, `id`)
) STRICT, WITHOUT ROWID;
