ALTER TABLE `token` ADD `person` text;--> statement-breakpoint
CREATE UNIQUE INDEX `approver_key` ON `approver` (`public_key`);